"""The kind `export`: one file of one moment, whole or not there, whoever writes or dies meanwhile."""

from __future__ import annotations

import base64
import hashlib
import json
import stat
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index.job_records import Job, JobState
from index.records import NewFace, NewPerson
from serving.jobs import exported_file
from serving.jobs.kinds import export
from serving.jobs.kinds.export import EXPORT
from serving.jobs.results import result_file, sweep
from serving.service import Service
from tests.serving.jobs.made_jobs import (
    CONTRACT,
    DIMENSION,
    contents,
    done,
    enrol,
    make,
    opened_service,
    run,
    run_with_deaths,
    units,
)

MOMENT = datetime(2024, 2, 3, 4, 5, 6, 789, UTC)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with opened_service(tmp_path, keep_crops=True, metadata={"why": "tests"}) as opened:
        yield opened


def fill(service: Service, people: int) -> None:
    """People with 0..3 faces each; every second face with a crop."""
    rows = iter(units(4 * people))
    for at in range(people):
        service.gallery.create_person("people", NewPerson(f"p{at:04}", f"Nº {at}", {"at": at}))
    faces = [
        NewFace(next(rows), 0.25 * n, {"n": n}, b"png%d" % at if n % 2 else None, source=f"{at:02x}")
        for at in range(people)
        for n in range(at % 4)
    ]
    enrol(service, [(f"p{int(face.source or '', 16):04}", face) for face in faces])


def path_of(service: Service, job: Job) -> Path:
    found = result_file(service.settings, job)
    assert found is not None
    return found


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_a_file_says_everything_that_the_collection_holds(service: Service) -> None:
    row = units(1)[0]
    service.gallery.create_person("people", NewPerson("ada", "Ada", {"room": 7}))
    face = NewFace(row, 0.5, {"box": [1, 2]}, b"png", "0a" * 32, "ab" * 16, MOMENT)
    enrol(service, [("ada", face)])
    job = done(service, EXPORT)
    header, person, trailer = lines(path_of(service, job))
    assert header["format"] == "cocircle-collection"
    assert header["version"] == 1
    assert header["contract_id"] == CONTRACT
    assert (header["dimension"], header["precision"]) == (DIMENSION, "float16")
    assert header["counts"] == {"persons": 1, "faces": 1}
    assert header["collection"] == {
        "id": "people",
        "fusion": "mean",
        "search": "auto",
        "keep_crops": True,
        "metadata": {"why": "tests"},
    }
    assert (person["id"], person["name"], person["metadata"]) == ("ada", "Ada", {"room": 7})
    (told,) = person["faces"]
    assert (told["id"], told["quality"], told["detail"]) == ("ab" * 16, 0.5, {"box": [1, 2]})
    assert (told["source"], datetime.fromisoformat(told["created_at"])) == ("0a" * 32, MOMENT)
    assert base64.b64decode(told["crop"]) == b"png"
    stored = np.frombuffer(base64.b64decode(told["vector"]), "<f2")
    assert stored.tolist() == row.astype(np.float32).astype(np.float16).tolist()
    assert (trailer["persons"], trailer["faces"]) == (1, 1)


def test_result_and_trailer_vouch_for_the_bytes(service: Service) -> None:
    fill(service, 30)
    job = done(service, EXPORT)
    data = path_of(service, job).read_bytes()
    before = data[: data.rstrip(b"\n").rindex(b"\n") + 1]
    assert lines(path_of(service, job))[-1]["sha256"] == hashlib.sha256(before).hexdigest()
    assert job.result == {
        "file": f"{job.id}.jsonl",
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "persons": 30,
        "faces": service.gallery.collection("people").faces,
        "contract_id": CONTRACT,
    }


def test_only_the_owner_of_the_service_can_read_it(service: Service) -> None:
    path = path_of(service, done(service, EXPORT))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_crops_stay_at_home_where_they_are_not_asked_for(service: Service) -> None:
    fill(service, 8)
    persons = lines(path_of(service, done(service, EXPORT, crops=False)))[1:-1]
    faces = [face for person in persons for face in person["faces"]]
    assert faces
    assert not any("crop" in face for face in faces)


def test_an_empty_collection_is_a_header_and_a_trailer(service: Service) -> None:
    job = done(service, EXPORT)
    assert len(lines(path_of(service, job))) == 2
    assert (job.result["persons"], job.result["faces"]) == (0, 0)


def test_killed_workers_leave_one_whole_file(service: Service) -> None:
    fill(service, 20)
    job = run_with_deaths(service, EXPORT, make(service, EXPORT))
    assert job.state is JobState.DONE
    path = path_of(service, job)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == job.result["sha256"]
    with path.open("rb") as file:
        assert exported_file.check(file).trailer.persons == 20
    left = [one for one in path.parent.iterdir() if one != path]
    assert len(left) <= 1, "the last worker to die leaves what nobody began again"
    assert all(one.name.startswith(".") for one in left)


def test_what_a_killed_attempt_left_goes_with_the_record_of_its_job(service: Service) -> None:
    job = done(service, EXPORT)
    path = path_of(service, job)
    half = path.with_name(f".{path.name}.0a1b2c3d")
    half.write_bytes(b"half")
    sweep(service)
    assert half.exists()
    service.gallery.jobs.remove(job.id)
    sweep(service)
    assert list(path.parent.iterdir()) == []


def test_writers_under_way_do_not_mix_two_moments(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "SPAN", 5)
    rows = units(40)
    enrol(service, [(f"p{at:02}", NewFace(rows[at])) for at in range(40)])
    before = contents(service)["people"]
    begun, written = threading.Event(), threading.Event()
    carried = exported_file.person_line

    def slow(person: Any) -> bytes:
        if person.id == "p07":
            begun.set()
            assert written.wait(20)
        return carried(person)

    monkeypatch.setattr(exported_file, "person_line", slow)
    job = make(service, EXPORT)
    worker = threading.Thread(target=run, args=(service, EXPORT, job))
    worker.start()
    assert begun.wait(20)
    service.gallery.delete_person("people", "p30")
    service.gallery.merge_persons("people", "p20", "p21")
    enrol(service, [("p39", NewFace(rows[0])), ("new", NewFace(rows[1]))])
    written.set()
    worker.join(30)
    found = lines(path_of(service, service.gallery.jobs.get(job.id)))
    assert [person["id"] for person in found[1:-1]] == [person.id for person in before]
    assert [len(person["faces"]) for person in found[1:-1]] == [1] * 40
    assert found[0]["counts"] == {"persons": 40, "faces": 40}


def test_a_job_that_is_cancelled_while_it_writes_leaves_no_file(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "SPAN", 5)
    fill(service, 20)
    job = make(service, EXPORT)
    carried = exported_file.person_line

    def cancelling(person: Any) -> bytes:
        if person.id == "p0007":
            service.gallery.jobs.cancel(job.id)
        return carried(person)

    monkeypatch.setattr(exported_file, "person_line", cancelling)
    assert run(service, EXPORT, job).state is JobState.CANCELLED
    assert list((service.settings.folder / "exports").iterdir()) == []
    monkeypatch.setattr(exported_file, "person_line", carried)
    service.gallery.jobs.resume(job.id)
    assert run(service, EXPORT, job).result["persons"] == 20


def test_a_full_disk_fails_the_job_with_a_word_and_leaves_no_half(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(service, 8)
    carried = exported_file.person_line

    def full(person: Any) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exported_file, "person_line", full)
    job = run(service, EXPORT, make(service, EXPORT))
    assert job.state is JobState.FAILED
    assert "No space left on device" in job.message
    assert list((service.settings.folder / "exports").iterdir()) == []
    monkeypatch.setattr(exported_file, "person_line", carried)
    service.gallery.jobs.resume(job.id)
    assert run(service, EXPORT, job).state is JobState.DONE


def test_a_collection_that_is_gone_fails_the_job_and_says_so(service: Service) -> None:
    job = run(service, EXPORT, make(service, EXPORT, collection="nowhere"))
    assert job.state is JobState.FAILED
    assert "there is no collection 'nowhere'" in job.message
