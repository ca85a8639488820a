"""The kind `import`: what was exported comes back bit by bit, once, whatever is wrong with the file or who dies."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from index.job_records import ItemState, Job, JobState, NewItem
from index.records import Fusion, NewCollection, NewFace, NewPerson, Precision, Search
from serving.jobs import exported_file
from serving.jobs.kinds import import_
from serving.jobs.kinds.export import EXPORT
from serving.jobs.kinds.import_ import IMPORT
from serving.jobs.results import result_file
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
from tests.serving.jobs.test_export import fill


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    settings = {"keep_crops": True, "search": Search.EXACT, "metadata": {"why": "tests"}}
    with opened_service(tmp_path, **settings) as opened:
        yield opened


@pytest.fixture
def file(service: Service, tmp_path: Path) -> Path:
    """An export of 30 people, outside of the service's folder."""
    fill(service, 30)
    return export(service, tmp_path / "people.jsonl")


def export(service: Service, to: Path, **options: Any) -> Path:
    found = result_file(service.settings, done(service, EXPORT, **options))
    assert found is not None
    to.write_bytes(found.read_bytes())
    return to


def signed(lines: list[bytes]) -> bytes:
    """Lines with a trailer that is right."""
    body = b"".join(line + b"\n" for line in lines)
    trailer = {"persons": 0, "faces": 0, "sha256": hashlib.sha256(body).hexdigest()}
    return body + json.dumps(trailer).encode() + b"\n"


def items(service: Service, job: Job) -> list[Any]:
    return list(service.gallery.jobs.items(job.id, limit=1000))


@pytest.mark.parametrize("precision", list(Precision))
@pytest.mark.parametrize("fusion", list(Fusion))
def test_what_comes_back_is_the_same_bit_by_bit(tmp_path: Path, precision: Precision, fusion: Fusion) -> None:
    settings = {"keep_crops": True, "precision": precision, "fusion": fusion, "metadata": {"ä": [1, None]}}
    with opened_service(tmp_path / "one", **settings) as service:
        fill(service, 30)
        file = export(service, tmp_path / "people.jsonl")
        before = contents(service)
    with opened_service(tmp_path / "other") as other:
        result = done(other, IMPORT, path=str(file), collection="copy").result
        assert result == {
            "persons": 30,
            "faces": 43,
            "skipped": 0,
            "merged": 0,
            "rejected": 0,
            "failed": 0,
        }
        assert contents(other, "copy") == before


def test_the_means_that_are_searched_have_the_same_bits(service: Service, file: Path) -> None:
    done(service, IMPORT, path=str(file), collection="copy")
    with service.gallery.reading() as reading:
        (mine,), (theirs,) = (
            [reading.searched(name, span) for span in reading.spans(name, 10_000)]
            for name in ("people", "copy")
        )
    named = dict(zip((mine.ids[key] for key in mine.keys.tolist()), mine.rows, strict=True))
    copied = dict(zip((theirs.ids[key] for key in theirs.keys.tolist()), theirs.rows, strict=True))
    assert named.keys() == copied.keys()
    assert all(named[id].tobytes() == copied[id].tobytes() for id in named)
    probe = named["p0003"][None]
    (found,) = service.gallery.identify("copy", probe, contract_id=CONTRACT)
    assert found[0].person_id == "p0003"


def test_without_a_collection_named_it_comes_back_under_its_own_name(service: Service, file: Path) -> None:
    before = contents(service)
    service.gallery.delete_collection("people", force=True)
    done(service, IMPORT, path=str(file), collection=None)
    assert contents(service) == before


def test_importing_twice_changes_nothing(service: Service, file: Path) -> None:
    before = contents(service)
    for conflict, told in (("skip", "skipped"), ("merge", "merged")):
        result = done(service, IMPORT, path=str(file), on_conflict=conflict).result
        assert (result["persons"], result["faces"], result[told]) == (0, 0, 30)
        assert contents(service) == before


def test_merging_gives_people_the_faces_they_lack_and_skipping_does_not(service: Service, file: Path) -> None:
    before = contents(service)
    face = service.gallery.faces("people", "p0003")[1]
    service.gallery.delete_face("people", "p0003", face.id)
    service.gallery.update_person("people", "p0003", name="changed")
    assert done(service, IMPORT, path=str(file)).result["faces"] == 0
    assert done(service, IMPORT, path=str(file), on_conflict="merge").result["faces"] == 1
    after = contents(service)
    assert service.gallery.person("people", "p0003").name == "changed"
    ids = [{face.id for face in person.faces} for person in before["people"]]
    assert [{face.id for face in person.faces} for person in after["people"]] == ids


def test_where_people_are_there_already_their_part_is_refused_if_asked(service: Service, file: Path) -> None:
    service.gallery.create_collection(NewCollection("copy", CONTRACT, DIMENSION))
    service.gallery.create_person("copy", NewPerson("p0004"))
    job = done(service, IMPORT, path=str(file), collection="copy", on_conflict="fail")
    (item,) = items(service, job)
    assert (item.state, item.reasons) == (ItemState.REJECTED, ("person_exists",))
    assert "1 of its 30 persons" in item.message
    assert service.gallery.collection("copy").persons == 1


def test_killed_workers_leave_what_an_undisturbed_run_leaves(
    service: Service, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_, "RANGE_PERSONS", 3)
    job = run_with_deaths(service, IMPORT, make(service, IMPORT, path=str(file), collection="copy"))
    assert (job.state, job.items, job.done) == (JobState.DONE, 10, 10)
    assert contents(service, "copy") == contents(service)


def test_a_cancelled_import_keeps_whole_parts_and_goes_on(
    service: Service, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_, "RANGE_PERSONS", 3)
    job = make(service, IMPORT, path=str(file), collection="copy")
    plan = service.gallery.jobs.claim_plan()
    assert plan is not None
    for part in IMPORT.plan(service, job):
        service.gallery.jobs.listed(plan, part)
    service.gallery.jobs.planned(plan)
    claim = service.gallery.jobs.claim_items(lambda _: 2)
    assert claim is not None
    service.gallery.settle(claim, IMPORT.work(service, claim))
    service.gallery.jobs.cancel(job.id)
    assert run(service, IMPORT, job).state is JobState.CANCELLED
    assert service.gallery.collection("copy").persons == 6
    service.gallery.jobs.resume(job.id)
    assert run(service, IMPORT, job).state is JobState.DONE
    assert contents(service, "copy") == contents(service)


def test_templates_of_another_model_are_refused_naming_both(service: Service, file: Path) -> None:
    service.gallery.create_collection(NewCollection("copy", "other-1111", DIMENSION))
    job = run(service, IMPORT, make(service, IMPORT, path=str(file), collection="copy"))
    assert job.state is JobState.FAILED
    assert CONTRACT in job.message
    assert "other-1111" in job.message


def test_a_missing_collection_is_made_only_where_that_is_wanted(service: Service, file: Path) -> None:
    job = run(service, IMPORT, make(service, IMPORT, path=str(file), collection="copy", create=False))
    assert job.state is JobState.FAILED
    assert "there is no collection 'copy'" in job.message


def damaged(data: bytes) -> bytes:
    return data.replace(b'"quality":0.25', b'"quality":0.35', 1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (damaged, "checksum is wrong"),
        (lambda data: data[:-1], "not whole"),
        (lambda data: data[: len(data) // 2], "not whole"),
        (lambda data: data[: data.index(b"\n") + 1], "not whole"),
        (lambda data: data + b"{}\n", "no checksum"),
        (lambda data: b"", "no header"),
        (lambda data: b"[1]\n{}\n", "no header"),
        (lambda data: data.replace(b'"version":1', b'"version":2', 1), "version 2"),
        (lambda data: data.replace(b'"dimension":32', b'"dimension":"x"', 1), "header is wrong: dimension"),
    ],
)
def test_a_damaged_file_is_refused_before_anything_is_made(
    service: Service, file: Path, change: Callable[[bytes], bytes], words: str
) -> None:
    file.write_bytes(change(file.read_bytes()))
    job = run(service, IMPORT, make(service, IMPORT, path=str(file), collection="copy"))
    assert job.state is JobState.FAILED
    assert words in job.message
    assert [one.id for one in service.gallery.collections()] == ["people"]


def test_a_file_that_is_not_there_fails_the_job(service: Service, tmp_path: Path) -> None:
    job = run(service, IMPORT, make(service, IMPORT, path=str(tmp_path / "none"), collection="copy"))
    assert job.state is JobState.FAILED
    assert "cannot be read: No such file" in job.message


def test_an_import_of_nothing_says_what_is_missing(service: Service) -> None:
    job = run(service, IMPORT, make(service, IMPORT, collection="copy"))
    assert job.state is JobState.FAILED
    assert "give a path" in job.message


def test_a_file_that_changes_or_goes_meanwhile_fails_its_items_which_can_be_resumed(
    service: Service, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_, "RANGE_PERSONS", 15)
    whole = file.read_bytes()
    job = make(service, IMPORT, path=str(file), collection="copy")
    plan = service.gallery.jobs.claim_plan()
    assert plan is not None
    for part in IMPORT.plan(service, job):
        service.gallery.jobs.listed(plan, part)
    service.gallery.jobs.planned(plan)
    file.write_bytes(damaged(whole))
    assert run(service, IMPORT, job).failed == 1
    assert [item.reasons for item in items(service, job)] == [("file_changed",), ()]
    file.unlink()
    service.gallery.jobs.resume(job.id)
    assert run(service, IMPORT, job).failed == 1
    assert items(service, job)[0].reasons == ("file_missing",)
    file.write_bytes(whole)
    service.gallery.jobs.resume(job.id)
    assert run(service, IMPORT, job).result["failed"] == 0
    assert contents(service, "copy")["people"] == sorted(
        contents(service)["people"], key=lambda person: person.id
    )


def wrong_persons(line: bytes) -> Iterator[tuple[bytes, str]]:
    person = json.loads(line)
    face = person["faces"][0]

    def with_face(**values: Any) -> bytes:
        return json.dumps({**person, "faces": [{**face, **values}]}).encode()

    yield json.dumps({**person, "more": 1}).encode(), "more: Extra inputs"
    yield json.dumps({**person, "id": "a/b"}).encode(), "without '/'"
    yield json.dumps({**person, "metadata": {"x": "y" * 20_000}}).encode(), "16384"
    yield json.dumps({**person, "faces": [face, face]}).encode(), "two faces of the same id"
    yield with_face(id="../x"), "32 hexadecimal digits"
    yield with_face(quality=7), "outside 0..1"
    yield with_face(source="no"), "hexadecimal"
    yield with_face(vector="AAAA"), "3 bytes where 64 belong"
    yield with_face(vector="!"), "vector: "
    yield with_face(created_at="yesterday"), "created_at: "
    yield with_face(detail={"x": "y" * 20_000}), "16384"
    for value in (np.zeros(DIMENSION), np.full(DIMENSION, np.nan), np.full(DIMENSION, 9.0)):
        text = base64.b64encode(value.astype("<f2").tobytes()).decode()
        yield with_face(vector=text), "unit vector"


def test_a_signed_file_with_wrong_persons_has_no_effect_beyond_a_reason(service: Service, file: Path) -> None:
    header, *persons, _ = file.read_bytes().splitlines()
    enrolled = [line for line in persons if json.loads(line)["faces"]]
    for wrong, words in wrong_persons(enrolled[-1]):
        file.write_bytes(signed([header, wrong, *enrolled[:2]]))
        job = done(service, IMPORT, path=str(file), collection="copy")
        (item,) = items(service, job)
        assert (item.state, item.reasons) == (ItemState.REJECTED, ("invalid_file",))
        assert words in item.message
        assert service.gallery.collection("copy").persons == 0, words
        assert contents(service, "copy")["people"] == []
    file.write_bytes(signed([header, persons[0], persons[0]]))
    (item,) = items(service, done(service, IMPORT, path=str(file), collection="copy"))
    assert "one person comes twice" in item.message


def test_rows_of_another_precision_are_converted(service: Service, file: Path) -> None:
    service.gallery.create_collection(NewCollection("copy", CONTRACT, DIMENSION, precision=Precision.FLOAT32))
    done(service, IMPORT, path=str(file), collection="copy")
    with service.gallery.reading() as reading:
        (span,) = reading.spans("people", 10_000)
        mine = {person.id: person for person in reading.carried("people", span, with_crops=False)}
        theirs = {person.id: person for person in reading.carried("copy", span, with_crops=False)}
    half = np.frombuffer(mine["p0003"].faces[0].vector, "<f2").astype("<f4")
    assert half.tobytes() == theirs["p0003"].faces[0].vector


def test_a_file_is_uploaded_in_parts_that_are_each_whole(service: Service, file: Path) -> None:
    parts = list(exported_file.split(io.BytesIO(file.read_bytes()), 2000))
    assert len(parts) > 3
    uploads = [NewItem(f"part-{at}", {}, data) for at, data in enumerate(parts)]
    uploads.append(NewItem("bad", {}, damaged(parts[-1]) + b"x"))
    uploads.append(NewItem("nothing"))
    job = run_with_deaths(service, IMPORT, make(service, IMPORT, uploads, collection="copy"))
    assert (job.done, job.rejected) == (len(parts), 2)
    assert job.result["persons"] == 30
    assert contents(service, "copy") == contents(service)


def test_an_empty_file_makes_an_empty_collection(service: Service, tmp_path: Path) -> None:
    file = export(service, tmp_path / "empty.jsonl")
    job = done(service, IMPORT, path=str(file), collection="copy")
    assert job.result["persons"] == 0
    assert contents(service, "copy") == contents(service)


def test_a_face_that_is_there_already_is_left_as_it_is(service: Service, file: Path) -> None:
    service.gallery.create_collection(NewCollection("copy", CONTRACT, DIMENSION))
    face = service.gallery.faces("people", "p0001")[0]
    enrol(service, [("p0001", NewFace(units(1, seed=9)[0], 0.125, id=face.id))], "copy")
    done(service, IMPORT, path=str(file), collection="copy", on_conflict="merge")
    (kept,) = service.gallery.faces("copy", "p0001")
    assert (kept.id, kept.quality) == (face.id, 0.125)
