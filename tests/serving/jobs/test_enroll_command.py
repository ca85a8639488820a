"""`cocircle enroll` in this process: which source a path is, which job goes on, what is told at the end."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from index.job_records import JobState
from index.records import NewCollection
from serving.cli import app
from serving.service import Service
from tests.serving.jobs.enroll_kit import CONTRACT, DIMENSION, fill, made_photo, made_service, make_job

Enroll = Callable[..., Result]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """Looks at the data folder that the command works on."""
    with made_service(tmp_path / "home") as opened:
        yield opened


@pytest.fixture
def enroll(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: Service) -> Enroll:
    # The command's own log settings would stay for the tests that follow.
    monkeypatch.setattr("serving.cli.enroll_job.start_logging", lambda _: None)

    def run(source: object, *words: str, collection: str = "people") -> Result:
        opened = made_service(tmp_path / "home")
        monkeypatch.setattr(Service, "open", lambda _: opened.__enter__())
        given = ["enroll", str(source), "-c", collection, "--home", str(tmp_path / "home"), *words]
        return CliRunner().invoke(app, given, env={"COLUMNS": "200"})

    return run


@pytest.fixture
def people(tmp_path: Path) -> Path:
    return fill(tmp_path / "people", 3, 2)


def test_a_folder_is_enrolled_and_what_was_rejected_is_told_with_its_file(
    enroll: Enroll, people: Path
) -> None:
    (people / "p000" / "[odd].jpg").write_bytes(b"no photo")
    answer = enroll(people)
    assert answer.exit_code == 0, answer.output
    first, second = answer.stdout.splitlines()
    assert first.startswith("6 photos of 3 people enrolled into people, 1 rejected, ")
    assert first.endswith(" photos/s")
    assert second.startswith(f"  {people}/p000/[odd].jpg: ")
    again = json.loads(enroll(people, "--json").stdout)
    assert (again["enrolled"], again["already"], again["failed"]) == (6, 6, [])
    assert again["rejected"][0]["reasons"] == ["unsupported_type"]


def test_the_same_command_goes_on_with_a_job_that_has_not_ended_and_makes_another_after_its_end(
    enroll: Enroll, people: Path, service: Service
) -> None:
    source = {"kind": "folder", "path": str(people)}
    waiting = make_job(service, source=source)
    other = make_job(service, source=source, quality="none")
    cancelled = make_job(service, source=source)
    service.gallery.jobs.cancel(cancelled.id)
    assert json.loads(enroll(people, "--json").stdout)["job"] == waiting.id
    assert service.gallery.jobs.get(other.id).state is JobState.WAITING, "what nobody asked for here is left"
    made = json.loads(enroll(people, "--json").stdout)
    assert made["job"] not in (waiting.id, other.id, cancelled.id)
    assert made["already"] == 6
    assert json.loads(enroll(people, "--quality", "none", "--json").stdout)["job"] == other.id


def test_an_archive_a_list_and_templates_are_told_by_their_names(
    enroll: Enroll, people: Path, tmp_path: Path, service: Service
) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(people, ".")
    (people / "l.csv").write_text("person,file\nnew,p000/0.pgm\n")
    (people / "l.jsonl").write_text('{"person": "newer", "file": "p000/0.pgm"}\n')
    row = np.eye(DIMENSION)[0].tolist()
    (tmp_path / "t.jsonl").write_text(json.dumps({"person": "made", "embedding": row}) + "\n")
    np.savez(tmp_path / "t.npz", rows=np.eye(DIMENSION), persons=np.array(list("abcdefgh")))
    counts = []
    for path, words in (
        (tmp_path / "a.tar", ()),
        (people / "l.csv", ()),
        (people / "l.jsonl", ()),
        (tmp_path / "t.jsonl", ("--contract", CONTRACT)),
        (tmp_path / "t.npz", ("--contract", CONTRACT)),
    ):
        answer = enroll(path, "--json", *words)
        assert answer.exit_code == 0, answer.output
        counts.append(json.loads(answer.stdout)["enrolled"])
    assert counts == [6, 1, 1, 1, 8]
    assert service.gallery.collection("people").faces == 17


def test_a_collection_is_made_where_there_is_none(enroll: Enroll, people: Path, service: Service) -> None:
    assert enroll(people, collection="fresh").exit_code == 0
    found = service.gallery.collection("fresh")
    assert (found.contract_id, found.dimension, found.faces) == (CONTRACT, DIMENSION, 6)


def test_what_cannot_be_begun_is_said_in_a_sentence_and_leaves_no_job(
    enroll: Enroll, people: Path, tmp_path: Path, service: Service
) -> None:
    service.gallery.create_collection(NewCollection("others", "other-0000", DIMENSION))
    (tmp_path / "empty").mkdir()
    (tmp_path / "x.zip").write_bytes(b"PK")
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        archive.add(people, ".")
    (tmp_path / "l.csv").write_text("who,what\n")
    row = json.dumps({"person": "made", "embedding": [1.0] * DIMENSION})
    (tmp_path / "t.jsonl").write_text(row)
    for path, words, collection, told in (
        (tmp_path / "nowhere", (), "people", "no such file or folder"),
        (tmp_path / "empty", (), "people", "nothing to enrol"),
        (tmp_path / "x.zip", (), "people", "neither a folder"),
        (tmp_path / "a.tar.gz", (), "people", "unpack it"),
        (tmp_path / "l.csv", (), "people", "first line"),
        (tmp_path / "t.jsonl", (), "people", "does not say"),
        (tmp_path / "t.jsonl", ("--contract", "x"), "people", "of contract x"),
        (people, (), "others", "other-0000"),
        (people, ("--quality", "some"), "people", "quality"),
        (people, ("--contract", CONTRACT), "people", "contract is for templates"),
    ):
        answer = enroll(path, *words, collection=collection)
        assert (answer.exit_code, told in answer.stderr) == (2, True), (told, answer.output)
    assert service.gallery.jobs.page() == []


def test_what_failed_is_told_and_ends_the_command_with_status_1(enroll: Enroll, tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("person,file\nanna,gone.pgm\nben,there.pgm\n")
    (tmp_path / "there.pgm").write_bytes(made_photo(1, 1))
    answer = enroll(tmp_path / "l.csv")
    assert answer.exit_code == 1
    assert "1 photos of 1 people enrolled into people, 0 rejected, 1 failed" in answer.stdout
    assert "l.csv: line 2: gone.pgm: gone.pgm is not there any more" in answer.stdout
