"""The `cocircle` command as a user types it, in processes of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from evaluation.datasets.att import AttPhoto
from tests.serving.conftest import ServiceProcess


def cocircle(*words: object, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "200"}
    if home is not None:
        environment["COCIRCLE_HOME"] = str(home)
    command = [sys.executable, "-m", "serving", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, env=environment, check=False)


def path_of(photos: list[AttPhoto], person: int, number: int) -> Path:
    return next(photo.path for photo in photos if (photo.person, photo.number) == (person, number))


@pytest.fixture
def folder(tmp_path: Path, att_photos: list[AttPhoto]) -> Path:
    """Three people of two photos each, and a file that is no photo."""
    made = tmp_path / "people"
    for person in (1, 2, 3):
        (made / f"person-{person}").mkdir(parents=True)
        for number in (1, 2):
            target = made / f"person-{person}" / f"{number}.pgm"
            target.write_bytes(path_of(att_photos, person, number).read_bytes())
    (made / "person-1" / "broken.jpg").write_bytes(b"not a photo")
    (made / "notes.txt").write_text("not looked at")
    return made


def test_verify_says_yes_with_status_0_no_with_1_and_an_error_with_2(
    tmp_path: Path, att_photos: list[AttPhoto]
) -> None:
    one, same, other = (path_of(att_photos, *key) for key in ((1, 1), (1, 2), (2, 1)))
    yes = cocircle("verify", one, same, home=tmp_path)
    assert (yes.returncode, yes.stdout.splitlines()[0]) == (0, "same person"), yes.stderr
    no = cocircle("verify", one, other, "--json", home=tmp_path)
    assert no.returncode == 1
    assert json.loads(no.stdout)["match"] is False
    missing = cocircle("verify", one, tmp_path / "nowhere.jpg", home=tmp_path)
    assert missing.returncode == 2
    assert "nowhere.jpg" in missing.stderr
    assert "Traceback" not in missing.stderr


def test_a_folder_is_enrolled_once_however_often_it_is_given_and_then_identified(
    tmp_path: Path, folder: Path, att_photos: list[AttPhoto]
) -> None:
    home = tmp_path / "home"
    first = cocircle("enroll", folder, "--collection", "people", "--json", home=home)
    assert first.returncode == 0, first.stderr
    report = json.loads(first.stdout)
    assert (report["enrolled"], report["persons"]) == (6, 3)
    assert [(Path(item["file"]).name, item["reasons"]) for item in report["rejected"]] == [
        ("broken.jpg", ["unsupported_type"])
    ]
    again = cocircle("enroll", folder, "--collection", "people", "--json", home=home)
    assert json.loads(again.stdout)["enrolled"] == 6
    probes = [path_of(att_photos, 2, 9), path_of(att_photos, 30, 1)]
    found = cocircle("identify", *probes, "--collection", "people", "--json", home=home)
    answers = [json.loads(line)["answer"] for line in found.stdout.splitlines()]
    assert [hit["person_id"] for hit in answers[0]["faces"][0]["candidates"]] == ["person-2"]
    assert answers[1]["faces"][0]["candidates"] == []
    assert answers[0]["gallery_size"] == 3


def test_the_same_commands_work_against_a_running_service(
    folder: Path, att_photos: list[AttPhoto], service_process: Callable[..., ServiceProcess]
) -> None:
    url = service_process().url
    enrolled = cocircle("enroll", folder, "--collection", "people", "--url", url)
    assert enrolled.returncode == 0, enrolled.stderr
    assert "6 photos of 3 people" in enrolled.stdout
    assert "broken.jpg" in enrolled.stdout
    words = cocircle("identify", path_of(att_photos, 2, 9), "--collection", "people", "--url", url)
    assert "person-2" in words.stdout
    detected = cocircle("detect", path_of(att_photos, 2, 9), "--url", url, "--json")
    assert len(json.loads(detected.stdout)["answer"]["faces"]) == 1


def test_a_key_made_on_the_command_line_opens_a_guarded_service(
    tmp_path: Path, att_photos: list[AttPhoto], service_process: Callable[..., ServiceProcess]
) -> None:
    home = tmp_path / "home"
    key = cocircle("keys", "create", "--scope", "read", "--home", home).stdout.strip()
    url = service_process(home, COCIRCLE_AUTH="on").url
    photo = path_of(att_photos, 1, 1)
    assert cocircle("detect", photo, "--url", url).returncode == 2
    assert cocircle("detect", photo, "--url", url, "--key", key).returncode == 0
    identity = json.loads(cocircle("keys", "list", "--home", home, "--json").stdout)[0]["id"]
    assert cocircle("keys", "revoke", identity, "--home", home).returncode == 0
    refused = cocircle("detect", photo, "--url", url, "--key", key)
    assert "unauthorized" in refused.stderr


def test_a_gpu_that_is_not_there_is_an_error_and_never_a_cpu(tmp_path: Path) -> None:
    for words in (("--provider", "cuda"), ("--engine", "faiss-gpu")):
        answer = cocircle("serve", "--port", "0", *words, home=tmp_path)
        assert answer.returncode == 2
        assert "error:" in answer.stderr
        assert "gpu" in answer.stderr.lower(), "it says what is missing"
        assert "Traceback" not in answer.stderr


def test_a_taken_port_is_said_in_one_line(
    tmp_path: Path, service_process: Callable[..., ServiceProcess]
) -> None:
    port = service_process().url.rsplit(":", 1)[1]
    answer = cocircle("serve", "--port", port, home=tmp_path / "other")
    assert answer.returncode == 2
    assert port in answer.stderr


def test_a_service_that_does_not_answer_is_said_in_one_line(att_photos: list[AttPhoto]) -> None:
    answer = cocircle("detect", path_of(att_photos, 1, 1), "--url", "http://127.0.0.1:9")
    assert (answer.returncode, "Traceback" in answer.stderr) == (2, False)


@pytest.mark.slow
def test_the_demo_finds_everybody_and_nobody_else(tmp_path: Path) -> None:
    answer = cocircle("demo", "--home", tmp_path / "demo", "--no-keep", "--json")
    assert answer.returncode == 0, answer.stderr
    figures = json.loads(answer.stdout)
    assert figures["enrolled"] == 150
    assert figures["probes"] == 250
    assert figures["rank1"] >= 0.99
    assert figures["fnir"] == 0.0
    assert figures["fpir"] == 0.0


def test_no_command_waits_for_the_protocols_of_evaluate() -> None:
    code = "import sys, serving.cli; print([name for name in sys.modules if name.startswith('serving.cli.evaluate.')])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
    told = cocircle("evaluate", "--help")
    assert told.returncode == 0, told.stderr
    assert all(name in told.stdout for name in ("lfw-1n", "cfp-fp", "market-1501", "drift", "One to many"))
    assert "--not-enrolled" in cocircle("evaluate", "lfw-1n", "--help").stdout
    assert cocircle("evaluate", "nonsense").returncode == 2
