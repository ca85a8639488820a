"""The kind `enroll` on made photos: each source enrolled, each item told of, each photo once."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
import pytest

from index.errors import StoreUnavailable
from index.job_records import ACTIVE, ItemState, JobState, NewItem, NewJob
from index.records import NewCollection
from serving.cli.enroll_job import OneJob
from serving.jobs.enrolling.options import EnrollOptions
from serving.jobs.kinds.enroll import Enroll
from serving.jobs.worker import Worker
from serving.service import Service
from tests.postgres_server import PostgresServer
from tests.serving.jobs.enroll_kit import (
    CONTRACT,
    DIMENSION,
    MOST_BYTES,
    NO_FACE,
    TWO_FACES,
    UNFIT,
    MadeAnalyzer,
    do_all,
    fill,
    made_photo,
    made_service,
    make_job,
    outcomes,
    state,
    working,
)


@pytest.fixture
def analyzer() -> MadeAnalyzer:
    return MadeAnalyzer()


@pytest.fixture
def service(tmp_path: Path, analyzer: MadeAnalyzer) -> Iterator[Service]:
    with made_service(tmp_path / "home", analyzer) as opened:
        yield opened


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Five people of four photos each."""
    return fill(tmp_path / "people", 5, 4)


def folder(path: Path) -> dict[str, str]:
    return {"kind": "folder", "path": str(path)}


def test_a_folder_is_enrolled_and_the_result_says_what_it_came_to(service: Service, people: Path) -> None:
    (people / "p000" / "notes.txt").write_text("not looked at")
    job = make_job(service, source=folder(people))
    do_all(service)
    job = service.gallery.jobs.get(job.id)
    assert (job.state, job.items, job.done) == (JobState.DONE, 20, 20)
    result = dict(job.result)
    assert result.pop("seconds") > 0
    assert result.pop("photos_per_second") > 0
    assert result == {"enrolled": 20, "persons": 5, "already": 0, "rejected": 0, "failed": 0}
    found = state(service.gallery)
    assert list(found) == [f"p{person:03}" for person in range(5)]
    photo = (people / "p003" / "2.pgm").read_bytes()
    quality, item, _, _ = found["p003"][2][hashlib.sha256(photo).hexdigest()]
    assert (item, quality) == ("p003/2.pgm", pytest.approx(photo[-55] / 255, abs=1e-3))


def test_a_second_job_on_the_same_photos_enrols_nothing_and_analyses_nothing(
    service: Service, people: Path, analyzer: MadeAnalyzer
) -> None:
    make_job(service, source=folder(people))
    do_all(service)
    before, embedded = state(service.gallery), analyzer.embedded
    (people / "p009").mkdir()
    shutil.copy(people / "p001" / "1.pgm", people / "p009" / "again.pgm")
    second = make_job(service, source=folder(people))
    do_all(service)
    result = service.gallery.jobs.get(second.id).result
    assert (result["enrolled"], result["already"], result["persons"]) == (1, 20, 6)
    assert analyzer.embedded == embedded + 1
    after = state(service.gallery)
    assert after.pop("p009")[1] == 1, "the same photo of another person is another face"
    assert after == before


def test_copies_of_a_photo_in_one_claim_are_enrolled_once(service: Service, tmp_path: Path) -> None:
    root = tmp_path / "copies" / "anna"
    root.mkdir(parents=True)
    for name in ("a", "b", "c"):
        (root / f"{name}.pgm").write_bytes(made_photo(1, 1))
    job = make_job(service, source=folder(root.parent))
    do_all(service)
    result = service.gallery.jobs.get(job.id).result
    assert (result["enrolled"], result["already"]) == (1, 2)
    assert {item.result["face"] for item in service.gallery.jobs.items(job.id)} == {
        face.id for face in service.gallery.faces("people", "anna")
    }


def test_every_photo_that_is_not_enrolled_says_why(service: Service, tmp_path: Path) -> None:
    root = tmp_path / "odd" / "anna"
    root.mkdir(parents=True)
    (root / "broken.jpg").write_bytes(b"no photo")
    (root / "cut.pgm").write_bytes(made_photo(1, 1)[:-3])
    (root / "large.pgm").write_bytes(made_photo(1, 2) + bytes(MOST_BYTES))
    (root / "none.pgm").write_bytes(made_photo(1, 3, NO_FACE))
    (root / "two.pgm").write_bytes(made_photo(1, 4, TWO_FACES))
    (root / "unfit.pgm").write_bytes(made_photo(1, 5, UNFIT))
    (root / "fit.pgm").write_bytes(made_photo(1, 6))
    job = make_job(service, source=folder(root.parent))
    do_all(service)
    assert outcomes(service, job) == {
        "anna/broken.jpg": ("rejected", ("unsupported_type",)),
        "anna/cut.pgm": ("rejected", ("invalid_image",)),
        "anna/fit.pgm": ("done", ()),
        "anna/large.pgm": ("rejected", ("too_large",)),
        "anna/none.pgm": ("rejected", ("no_face",)),
        "anna/two.pgm": ("rejected", ("multiple_faces",)),
        "anna/unfit.pgm": ("rejected", ("blurred",)),
    }
    again = make_job(service, source=folder(root.parent), quality="none", faces="largest")
    do_all(service)
    done = [item for item, (state, _) in outcomes(service, again).items() if state == "done"]
    assert done == ["anna/fit.pgm", "anna/two.pgm", "anna/unfit.pgm"]


def test_files_that_vanish_half_way_have_failed_and_are_enrolled_when_they_are_back(
    service: Service, people: Path, tmp_path: Path
) -> None:
    job = make_job(service, source=folder(people))
    kind = Enroll()
    kind.batch = 8
    with working(service, kind) as worker:
        assert worker.once(), "the plan"
        assert worker.once(), "eight items"
        shutil.move(people / "p002", tmp_path / "away")
        (people / "p003" / "0.pgm").unlink()
        (people / "p003" / "0.pgm").mkdir()
        while worker.once():
            pass
    found = outcomes(service, job)
    gone = [f"p002/{number}.pgm" for number in range(4)]
    assert [found[item] for item in gone] == [("failed", ("file_missing",))] * 4
    assert found["p003/0.pgm"] == ("failed", ("unreadable",))
    assert service.gallery.jobs.get(job.id).result["enrolled"] == 15
    shutil.move(tmp_path / "away", people / "p002")
    service.gallery.jobs.resume(job.id)
    do_all(service)
    job = service.gallery.jobs.get(job.id)
    assert (job.state, job.done, job.failed) == (JobState.DONE, 19, 1)
    assert state(service.gallery)["p002"][1] == 4


def test_a_folder_that_is_not_there_waits_for_a_process_that_sees_it_unless_this_one_made_the_job(
    service: Service, people: Path
) -> None:
    job = make_job(service, source=folder(people))
    with working(service) as worker:
        assert worker.once(), "the plan"
    shutil.rmtree(people)
    with working(service) as worker:
        assert not worker.once()
    assert service.gallery.jobs.get(job.id).state is JobState.RUNNING
    do_all(service, OneJob(job))
    job = service.gallery.jobs.get(job.id)
    assert (job.state, job.failed) == (JobState.DONE, 20)


def test_photos_are_left_to_a_process_that_serves_the_pack_of_the_collection(
    service: Service, people: Path
) -> None:
    service.gallery.create_collection(NewCollection("others", "other-0000", DIMENSION))
    options = EnrollOptions.model_validate({"source": folder(people)}).model_dump(mode="json")
    theirs = service.gallery.jobs.create(NewJob("enroll", "others", options=options))
    do_all(service)
    assert service.gallery.jobs.get(theirs.id).state is JobState.WAITING


def test_a_job_on_a_collection_that_was_deleted_ends_and_says_so(service: Service, people: Path) -> None:
    job = make_job(service, source=folder(people))
    with working(service) as worker:
        assert worker.once(), "the plan"
    service.gallery.delete_collection("people")
    do_all(service)
    job = service.gallery.jobs.get(job.id)
    assert job.state is JobState.FAILED
    assert "there is no collection 'people'" in job.message


def test_crops_are_kept_where_the_collection_keeps_them(tmp_path: Path, people: Path) -> None:
    with made_service(tmp_path / "crops", keep_crops=True) as service:
        make_job(service, source=folder(people))
        do_all(service)
        images = [photo[3] for person in state(service.gallery).values() for photo in person[2].values()]
    assert len(images) == 20
    assert all(image.startswith(b"\x89PNG") for image in images)


def test_what_is_under_way_when_a_job_is_cancelled_is_not_written_and_is_done_when_it_is_resumed(
    service: Service, people: Path, analyzer: MadeAnalyzer
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    embed = analyzer.embed_crops

    def held(crops: Any) -> Any:
        begun.set()
        assert go_on.wait(30)
        return embed(crops)

    analyzer.embed_crops = held  # type: ignore[method-assign]
    job = make_job(service, source=folder(people))
    thread = threading.Thread(target=do_all, args=(service,))
    thread.start()
    assert begun.wait(30)
    service.gallery.jobs.cancel(job.id)
    go_on.set()
    thread.join(30)
    assert service.gallery.collection("people").faces == 0
    assert set(outcomes(service, job).values()) == {("waiting", ())}
    service.gallery.jobs.resume(job.id)
    do_all(service)
    assert service.gallery.jobs.get(job.id).result["enrolled"] == 20
    assert len(state(service.gallery)) == 5


def test_a_store_that_cannot_answer_loses_nothing_and_doubles_nothing(
    service: Service, people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(service, source=folder(people))
    settle = service.gallery.settle
    failures = iter(range(3))

    def full(*given: Any) -> Any:
        if next(failures, None) is not None:
            raise StoreUnavailable("the disk is full; nothing was written")
        return settle(*given)

    let_go = service.gallery.jobs.let_go
    unheard = iter(range(1))

    def full_for_that_too(*given: Any, **how: Any) -> None:
        if next(unheard, None) is not None:
            raise StoreUnavailable("the disk is full; nothing was written")
        let_go(*given, **how)

    monkeypatch.setattr(service.gallery, "settle", full)
    monkeypatch.setattr(service.gallery.jobs, "let_go", full_for_that_too)
    refused = 0
    with working(service) as worker:
        while True:
            try:
                if not worker.once():
                    break
            except StoreUnavailable:
                refused += 1
    job = service.gallery.jobs.get(job.id)
    assert (refused, job.state, job.done) == (3, JobState.DONE, 20)
    assert {item.attempts for item in service.gallery.jobs.items(job.id)} == {1}
    assert sum(person[1] for person in state(service.gallery).values()) == 20


def test_two_services_on_one_postgresql_database_share_a_job_and_enrol_each_photo_once(
    tmp_path: Path, postgres: PostgresServer, service: Service
) -> None:
    people = fill(tmp_path / "many", 20, 5)
    make_job(service, source=folder(people))
    do_all(service)
    database = postgres.new_database()
    with (
        made_service(tmp_path / "one", database=database) as one,
        made_service(tmp_path / "other", database=database) as other,
    ):
        job = make_job(one, source=folder(people))
        kind = Enroll()
        kind.batch = 4
        workers = [Worker(each, {kind.name: kind}, 2) for each in (one, other)]
        for worker in workers:
            worker.start()
        until = monotonic() + 60
        while one.gallery.jobs.get(job.id).state in ACTIVE:
            assert monotonic() < until
            one.gallery.jobs.wait(0.05)
        for worker in workers:
            worker.stop()
        found = one.gallery.jobs.get(job.id)
        assert (found.state, found.result["enrolled"]) == (JobState.DONE, 100)
        assert state(one.gallery) == state(other.gallery) == state(service.gallery)


def test_a_tar_and_a_list_enrol_what_the_folder_does(tmp_path: Path, people: Path) -> None:
    archive = tmp_path / "people.tar"
    with tarfile.open(archive, "w") as packing:
        packing.add(people, ".")
    listed = people / "list.csv"
    photos = sorted(str(path.relative_to(people)) for path in people.rglob("*.pgm"))
    listed.write_text("person,file\n" + "".join(f"{photo[:4]},{photo}\n" for photo in photos))
    ends = []
    for number, source in enumerate((folder(people), {"kind": "tar", "path": str(archive)})):
        with made_service(tmp_path / f"home-{number}") as service:
            make_job(service, source=source)
            do_all(service)
            ends.append(state(service.gallery))
    assert ends[0] == ends[1]
    with made_service(tmp_path / "home-list") as service:
        make_job(service, source={"kind": "manifest", "path": str(listed)})
        do_all(service)
        by_list = state(service.gallery)
    assert {id: (person[1], list(person[2])) for id, person in by_list.items()} == {
        id: (person[1], list(person[2])) for id, person in ends[0].items()
    }


def test_photos_sent_by_clients_are_enrolled_under_the_persons_they_name(service: Service) -> None:
    job = service.gallery.jobs.create(
        NewJob("enroll", "people", options=EnrollOptions().model_dump(mode="json"), open=True)
    )
    items = [
        NewItem("one", {"person": "anna", "name": "Anna"}, made_photo(1, 1)),
        NewItem("two", {"person": "a/b"}, made_photo(1, 2)),
        NewItem("three", {"person": "ben"}, b"no photo"),
        NewItem("four", {"person": "cleo"}),
    ]
    service.gallery.jobs.add(job.id, items)
    service.gallery.jobs.start(job.id)
    do_all(service)
    assert outcomes(service, job) == {
        "one": ("done", ()),
        "two": ("rejected", ("invalid_row",)),
        "three": ("rejected", ("unsupported_type",)),
        "four": ("rejected", ("invalid_row",)),
    }
    assert service.gallery.person("people", "anna").name == "Anna"
    assert service.gallery.jobs.pending_bytes() == 0


def templates_file(path: Path, count: int, bad: dict[int, str]) -> Path:
    rows = np.random.default_rng(5).normal(size=(count, DIMENSION)).round(4)
    with path.open("w") as file:
        file.write(json.dumps({"contract_id": CONTRACT}) + "\n")
        for number, row in enumerate(rows, 2):
            good = {"person": f"p{number}", "embedding": row.tolist(), "quality": 0.5, "name": f"N {number}"}
            file.write(bad.get(number, json.dumps(good)) + "\n")
    return path


def test_one_bad_row_of_ten_thousand_is_rejected_with_its_line_and_the_others_are_done(
    service: Service, tmp_path: Path
) -> None:
    path = templates_file(tmp_path / "t.jsonl", 10_000, {7: '{"person": "p7", "embedding": [1, 2]}'})
    job = make_job(service, source={"kind": "templates", "path": str(path)})
    do_all(service, OneJob(job))
    job = service.gallery.jobs.get(job.id)
    assert (job.state, job.done, job.rejected) == (JobState.DONE, 9_999, 1)
    (rejected,) = service.gallery.jobs.items(job.id, state=ItemState.REJECTED)
    assert (rejected.item, rejected.reasons, rejected.result) == ("line 7", ("invalid_row",), {"line": 7})
    assert "line 7: its embedding has shape (2,)" in rejected.message
    assert service.gallery.collection("people").faces == 9_999
    person = service.gallery.person("people", "p10001")
    assert (person.name, person.faces) == ("N 10001", 1)
    (face,) = service.gallery.faces("people", "p10001")
    assert face.quality == 0.5


def test_the_same_templates_are_enrolled_once_from_lines_and_from_arrays(
    service: Service, tmp_path: Path
) -> None:
    lines = templates_file(tmp_path / "t.jsonl", 20, {})
    rows = [json.loads(line) for line in lines.read_text().splitlines()[1:]]
    np.savez(
        tmp_path / "t.npz",
        rows=np.array([row["embedding"] for row in rows]),
        persons=np.array([row["person"] for row in rows]),
        quality=np.array([row["quality"] for row in rows]),
        names=np.array([row["name"] for row in rows]),
        contract_id=np.array(CONTRACT),
    )
    results = []
    for name in ("t.jsonl", "t.npz"):
        job = make_job(service, source={"kind": "templates", "path": str(tmp_path / name)})
        do_all(service)
        results.append(service.gallery.jobs.get(job.id).result)
    assert [(result["enrolled"], result["already"]) for result in results] == [(20, 0), (0, 20)]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ('{"person": "p2", "embedding": [1, 2, 3, 4, 5, 6, 7, NaN]}', "NaN or infinity"),
        ('{"person": "p2", "embedding": [0, 0, 0, 0, 0, 0, 0, 0]}', "length zero"),
        ('{"person": "p2", "embedding": [1, 0, 0, 0, 0, 0, 0, 0], "quality": 2}', "quality"),
        ('{"person": "p2", "embedding": "12345678"}', "embedding"),
        ('{"person": "", "embedding": [1, 0, 0, 0, 0, 0, 0, 0]}', "person"),
        ('{"person": "a/b", "embedding": [1, 0, 0, 0, 0, 0, 0, 0]}', "without '/'"),
        ("[1, 2]", "line 2"),
        ("{", "line 2"),
    ],
)
def test_a_row_that_is_no_template_is_rejected_with_what_is_wrong(
    service: Service, tmp_path: Path, row: str, told: str
) -> None:
    path = templates_file(tmp_path / "t.jsonl", 2, {2: row})
    job = make_job(service, source={"kind": "templates", "path": str(path)})
    do_all(service)
    bad, good = service.gallery.jobs.items(job.id)
    assert (bad.state, bad.reasons, good.state) == (ItemState.REJECTED, ("invalid_row",), ItemState.DONE)
    assert told in bad.message


def test_templates_of_another_contract_or_of_none_are_refused_as_a_whole(
    service: Service, tmp_path: Path
) -> None:
    path = templates_file(tmp_path / "t.jsonl", 2, {})
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(lines[0].replace(CONTRACT, "other-0000") + "".join(lines[1:]))
    bare = tmp_path / "bare.jsonl"
    bare.write_text("".join(lines[1:]))
    source = {"kind": "templates", "path": str(path)}
    told = []
    for given in (
        {"source": source},
        {"source": source, "contract": CONTRACT},
        {"source": {**source, "path": str(bare)}},
    ):
        job = make_job(service, **given)
        do_all(service)
        job = service.gallery.jobs.get(job.id)
        assert job.state is JobState.FAILED
        told.append(job.message)
    assert "other-0000" in told[0]
    assert CONTRACT in told[0]
    assert "not made-0000" in told[1]
    assert "does not say" in told[2]
    assert service.gallery.collection("people").faces == 0
    said = make_job(service, source={**source, "path": str(bare)}, contract=CONTRACT)
    do_all(service)
    assert service.gallery.jobs.get(said.id).done == 2


def test_a_source_that_is_replaced_under_a_job_enrols_nobody_as_somebody_else(
    service: Service, tmp_path: Path
) -> None:
    archive = tmp_path / "a.tar"

    def pack(*names: str) -> None:
        with tarfile.open(archive, "w") as packing:
            for number, name in enumerate(names):
                data = made_photo(number, len(names))
                member = tarfile.TarInfo(name)
                member.size = len(data)
                packing.addfile(member, io.BytesIO(data))

    pack("anna/1.pgm", "ben/1.pgm")
    job = make_job(service, source={"kind": "tar", "path": str(archive)})
    with working(service) as worker:
        assert worker.once(), "the plan"
    pack("ben/1.pgm", "anna/1.pgm", "cleo/1.pgm")
    do_all(service)
    assert set(outcomes(service, job).values()) == {("failed", ("source_changed",))}
    assert service.gallery.collection("people").faces == 0


def test_a_contract_is_for_templates_alone() -> None:
    with pytest.raises(ValueError, match="contract is for templates"):
        EnrollOptions.model_validate({"contract": CONTRACT})
