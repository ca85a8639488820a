"""What the Dockerfile promises, read from the file itself; test_image.py builds it."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from serving.settings import Settings
from tests.deployment.conftest import ROOT, Stages, environment
from tests.serving.conftest import ServiceProcess

TARGETS = ("cpu", "cuda", "training")
CONSTRAINTS = ROOT / "docker" / "constraints.txt"


def test_the_default_target_is_the_one_for_cpus(stages: Stages) -> None:
    assert list(stages)[-1] == "cpu"
    assert set(TARGETS) < set(stages)


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_never_runs_as_root(target: str, stages: Stages) -> None:
    users = [rest for word, rest in stages[target] if word == "USER"]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1])


@pytest.mark.parametrize("target", TARGETS)
def test_a_volume_belongs_to_the_user_who_writes_to_it(target: str, stages: Stages) -> None:
    volumes = [path for word, rest in stages[target] if word == "VOLUME" for path in rest.split()]
    assert volumes
    made = [rest for word, rest in stages[target] if word == "RUN" and "install -d -m 0700 -o 10001" in rest]
    assert [path for path in volumes if not any(path in rest.split() for rest in made)] == []


@pytest.mark.parametrize(
    ("target", "provider", "engine"), [("cpu", "cpu", "faiss-cpu"), ("cuda", "cuda", "faiss-gpu")]
)
def test_a_target_says_where_it_computes(target: str, provider: str, engine: str, stages: Stages) -> None:
    chosen = environment(stages[target])
    assert (chosen["COCIRCLE_PROVIDER"], chosen["COCIRCLE_ENGINE"]) == (provider, engine)
    settings = {
        name.removeprefix("COCIRCLE_").lower(): value for name, value in chosen.items() if "COCIRCLE" in name
    }
    settings.pop("cache")
    made = Settings.model_validate(settings)
    assert made.keys_required


@pytest.mark.parametrize("target", ["app", *TARGETS])
def test_an_image_reports_its_use_to_nobody(target: str, stages: Stages) -> None:
    assert environment(stages[target])["ORT_DISABLE_TELEMETRY"] == "1"


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_says_what_it_is(target: str, stages: Stages) -> None:
    labels = " ".join(rest for word, rest in stages[target] if word == "LABEL")
    said = set(re.findall(r"org\.opencontainers\.image\.(\w+)=", labels))
    assert said == {"title", "description", "licenses", "version", "revision"}
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert ("ARG", f"VERSION={version}") in stages[target]


def test_the_cpu_wheels_are_gone_before_the_gpu_wheels_come(stages: Stages) -> None:
    (swap,) = [
        rest for word, rest in stages["dependencies-cuda"] if word == "RUN" and "onnxruntime-gpu" in rest
    ]
    assert swap.index("uninstall -y onnxruntime faiss-cpu") < swap.index("install 'onnxruntime-gpu")
    for pinned in re.findall(r"'(\S+==\S+)'", swap):
        assert pinned in (ROOT / "docs" / "gpu.md").read_text()


def test_everything_the_image_copies_exists_and_reaches_the_builder(stages: Stages) -> None:
    let_through = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    }
    copied = {
        source
        for word, rest in stages["app"]
        if word == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    }
    assert copied == let_through
    assert [source for source in sorted(copied) if not (ROOT / source).exists()] == []


def test_other_code_alone_installs_no_dependency_anew(stages: Stages) -> None:
    rooms = {"faces", "index", "evaluation", "training", "serving"}
    for stage in ("dependencies", "dependencies-cuda", "dependencies-training"):
        copied = {
            word for instruction, rest in stages[stage] if instruction == "COPY" for word in rest.split()
        }
        assert not rooms & copied, stage
    for target in TARGETS:
        sources = [rest for word, rest in stages[target] if word == "COPY"]
        assert sources[-1] == "--from=app /app /opt/cocircle"
        assert sources[-2].startswith("--from=dependencies")


def test_every_dependency_of_an_image_has_a_version_that_the_project_accepts() -> None:
    pins = dict(line.split("==") for line in CONSTRAINTS.read_text().splitlines() if "==" in line)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    wanted = [*project["project"]["dependencies"], *extras["postgres"], *extras["tracing"], *extras["train"]]
    needed = [Requirement(text) for text in [*wanted, *project["build-system"]["requires"]]]
    assert len(needed) > 20
    for one in needed:
        if one.marker is None or one.marker.evaluate():
            assert one.specifier.contains(pins[one.name]), one


def test_training_is_built_with_the_release_that_the_figures_were_measured_with(stages: Stages) -> None:
    (release,) = re.findall(r"^TORCH\s+:= (\S+)", (ROOT / "Makefile").read_text(), flags=re.M)
    assert any(release in rest.split() for word, rest in stages["dependencies-training"] if word == "RUN")
    assert release in CONSTRAINTS.read_text().splitlines()


def test_the_health_check_tells_a_live_service_from_a_dead_port(stages: Stages, tmp_path: Path) -> None:
    (check,) = [rest for word, rest in stages["cpu"] if word == "HEALTHCHECK"]
    command = json.loads(check[check.index("[") :])
    assert command[0] == "python"

    def ask(port: int) -> int:
        asked = [sys.executable, *command[1:]]
        return subprocess.run(
            asked, env={"COCIRCLE_PORT": str(port)}, capture_output=True, check=False
        ).returncode

    service = ServiceProcess(tmp_path / "home", tmp_path / "service.log", COCIRCLE_AUTH="on")
    try:
        assert ask(int(service.url.rpartition(":")[2])) == 0
    finally:
        service.stop()
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert ask(unused.getsockname()[1]) != 0
