"""The README and the guides, word by word: every shell and Python example is run as it stands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ADDRESS = "http://127.0.0.1:8080"
EXAMPLE = re.compile(r"^```(bash|python)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def examples(page: str) -> list[tuple[str, str]]:
    return [(found[1], found[2]) for found in EXAMPLE.finditer((ROOT / page).read_text())]


def run_python(code: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **more}
    return subprocess.run(
        [sys.executable, *code.split()],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def after_the_demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `make demo` leaves it, with the virtual environment where the README expects it."""
    folder = tmp_path_factory.mktemp("clone")
    (folder / ".venv").symlink_to(Path(sys.executable).parents[1])
    demo = run_python("-m serving demo --home .demo --no-keep", folder)
    assert demo.returncode == 0, demo.stderr
    return folder


@pytest.fixture
def serve(after_the_demo: Path) -> Iterator[Callable[[str], str]]:
    """Starts the service of a data folder on a free port; ends it by its own process id."""
    started: list[subprocess.Popen[str]] = []

    def start(home: str) -> str:
        command = [sys.executable, "-m", "serving", "serve", "--home", home, "--port", "0"]
        environment = {**os.environ, "COCIRCLE_LOG_LEVEL": "error"}
        process = subprocess.Popen(
            command, cwd=after_the_demo, stdout=subprocess.PIPE, text=True, env=environment
        )
        started.append(process)
        assert process.stdout is not None
        return process.stdout.readline().split()[3]

    yield start
    for process in started:
        process.terminate()
        process.wait(30)
        assert process.stdout is not None
        process.stdout.close()


def run_page(
    page: str, folder: Path, start: Callable[[str], str], home: str, first_served: str | None
) -> int:
    """Runs the examples in order. The service starts before the first example that asks it."""
    address: str | None = None
    count = 0
    for language, text in examples(page):
        if first_served is not None and text.strip() == first_served:
            address = start(home)
            continue
        if ADDRESS in text and address is None:
            address = start(home)
        code = text.replace(ADDRESS, address or ADDRESS)
        command = [sys.executable, "-c", code]
        if language == "bash":
            setup = f"set -e; source .venv/bin/activate; export COCIRCLE_HOME={home}; "
            command = ["bash", "-c", setup + code]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, f"{page}: {text}\n{done.stdout}\n{done.stderr}"
        assert '"error"' not in done.stdout, f"{page}: {text}\n{done.stdout}"
        count += 1
    return count


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_readme_works_as_it_stands(after_the_demo: Path, serve: Callable[[str], str]) -> None:
    assert run_page("README.md", after_the_demo, serve, ".demo/mine", "cocircle serve") == 9


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_api_guide_works_as_it_stands(after_the_demo: Path, serve: Callable[[str], str]) -> None:
    assert run_page("docs/api.md", after_the_demo, serve, ".demo", None) == 7


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_guide_to_jobs_works_as_it_stands(after_the_demo: Path, serve: Callable[[str], str]) -> None:
    assert run_page("docs/jobs.md", after_the_demo, serve, ".demo", None) == 5


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_guide_to_rekognition_works_as_it_stands(
    after_the_demo: Path, serve: Callable[[str], str]
) -> None:
    assert run_page("docs/rekognition.md", after_the_demo, serve, ".demo", None) == 3


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_guide_to_keys_and_audit_works_as_it_stands(
    after_the_demo: Path, serve: Callable[[str], str]
) -> None:
    assert run_page("docs/security.md", after_the_demo, serve, ".demo", None) == 2


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_guide_to_backups_works_as_it_stands(after_the_demo: Path, serve: Callable[[str], str]) -> None:
    assert run_page("docs/backup.md", after_the_demo, serve, ".demo", None) == 1


@pytest.mark.slow
def test_the_training_guide_works_as_it_stands(tmp_path: Path) -> None:
    code = [text for language, text in examples("docs/training.md") if language == "python"]
    for text in code:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", text],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stderr}"
    assert len(code) == 3


def shown(text: str) -> list[str]:
    """The lines of an output without the cosines, which another processor may round otherwise."""
    return [re.sub(r"-?\b[01]\.\d+", "COSINE", line).strip() for line in text.splitlines()]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_guide_to_data_works_and_its_commands_print_what_it_shows(
    after_the_demo: Path, tmp_path: Path
) -> None:
    for name in (".venv", ".demo"):
        (tmp_path / name).symlink_to(after_the_demo / name)
    environment = {**os.environ, "COLUMNS": "110", "COCIRCLE_CACHE": str(tmp_path / "cache")}
    count, printed = 0, ""
    for language, text in re.findall(
        r"^```(bash|text)\n(.*?)^```", (ROOT / "docs/data.md").read_text(), re.DOTALL | re.MULTILINE
    ):
        if language == "text":
            assert set(shown(text)) - {"…"} <= set(shown(printed)), f"{text}\n{printed}"
            continue
        command = ["bash", "-c", f"set -e; source .venv/bin/activate; {text}"]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        printed = done.stdout
        count += 1
    assert count == 4


def test_the_guide_to_runs_names_every_ready_configuration_and_no_other() -> None:
    page = (ROOT / "docs/runs.md").read_text()
    ready = {path.stem for path in (ROOT / "training/configs").glob("*.toml")}
    started = set(re.findall(r"cocircle train (\S+)|-m training (\S+)", page))
    assert {name for pair in started for name in pair if name} <= ready
    sentence = page[page.index("is one of the ready configurations") :].split("Any TOML", 1)[0]
    assert set(re.findall(r"`([a-z-]+)`", sentence)) | {"smoke"} == ready
