"""Who was deleted is nowhere: every file of the data folder is searched for them, byte by byte."""

from __future__ import annotations

import random
import sqlite3
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from index.gallery import Gallery, GallerySettings
from index.job_records import ItemState, NewItem, NewJob, Outcome
from index.records import NewCollection, NewFace, NewPerson, Receipt
from index.redaction import redacted
from index.upkeep import Upkeep
from index.writing import Settlement, Writing
from serving.client import Client
from serving.jobs.forgotten_exports import ForgottenExports
from serving.jobs.registry import KINDS
from serving.jobs.worker import Worker
from tests.postgres_server import PostgresServer
from tests.serving.conftest import Att, Opened

CONTRACT, DIMENSION = "contract-a", 64


def vector(name: str) -> np.ndarray:
    row = np.random.default_rng(list(name.encode())).standard_normal(DIMENSION)
    return row / np.linalg.norm(row)


def crop(name: str) -> bytes:
    return np.random.default_rng([1, *name.encode()]).bytes(2000)


def marks(name: str) -> list[bytes]:
    """By what somebody can be recognised in a file."""
    template = vector(name).astype(np.float16).tobytes()
    return [
        name.encode(),
        f"Name of {name}".encode(),
        template[:32],
        template[-32:],
        crop(name)[:64],
        crop(name)[-64:],
    ]


def held(folder: Path, names: Iterable[str]) -> list[tuple[str, int, str]]:
    """(person, which mark, file) of everybody found in any file of a folder."""
    files = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return [
        (name, at, path.name)
        for name in names
        for at, mark in enumerate(marks(name))
        for path, content in files.items()
        if mark in content
    ]


def enrol(gallery: Gallery, name: str) -> None:
    face = NewFace(vector(name), crop=crop(name), detail={"of": f"Name of {name}"})
    answer = f'{{"person_id": "{name}", "name": "Name of {name}"}}'.encode()
    gallery.add_faces(
        "staff",
        name,
        [face],
        contract_id=CONTRACT,
        create_person=NewPerson(name, f"Name of {name}", {"note": f"Name of {name}"}),
        receipt=Receipt("key", f"k-{name[::-1]}", "digest", lambda _: answer),
    )


def record(gallery: Gallery, names: list[str]) -> str:
    """A job that has ended, with items and findings that name people."""
    items = [NewItem(f"{name}/1.jpg", {"person": name, "name": f"Name of {name}"}) for name in names]
    job = gallery.jobs.create(NewJob("enroll", "staff"), items)
    plan = gallery.jobs.claim_plan()
    assert plan is not None
    gallery.jobs.planned(plan)
    while claim := gallery.jobs.claim_items(lambda _: 100):

        def work(_: Writing, claim=claim) -> Settlement:  # type: ignore[no-untyped-def]
            done = [
                Outcome(one.key, ItemState.DONE, result={"person": one.payload["person"]})
                for one in claim.items
            ]
            found = [{"pair": [one.payload["person"], names[0]], "cosine": 0.5} for one in claim.items]
            return Settlement(done, found)

        gallery.settle(claim, work)
    end = gallery.jobs.claim_finish()
    assert end is not None
    gallery.jobs.finished(end, {})
    return job.id


def people(count: int) -> list[str]:
    """Ids in an order that splits the pages of every index."""
    names = [f"somebody-{at:05d}-unmistakable" for at in range(count)]
    random.Random(5).shuffle(names)
    return names


def test_the_deleted_are_in_no_file_while_the_gallery_goes_on(tmp_path: Path) -> None:
    names = people(160)
    with Gallery.open(GallerySettings(tmp_path, background=False)) as gallery:
        gallery.create_collection(NewCollection("staff", CONTRACT, DIMENSION, keep_crops=True))
        for name in names:
            enrol(gallery, name)
        job = record(gallery, names)
        gallery.snapshot("staff")
        gone, kept = names[1::4], [*names[0::4], *names[2::4], *names[3::4]]
        assert {at for _, at, _ in held(tmp_path, gone)} == set(range(6))
        for name in gone[:-2]:
            gallery.delete_person("staff", name)
        gallery.merge_persons("staff", kept[0], gone[-2])  # its faces are somebody else's now, its id is gone
        gallery.delete_face("staff", gone[-1], gallery.faces("staff", gone[-1])[0].id)
        gallery.delete_person("staff", gone[-1])
        assert gallery.forget()
        assert held(tmp_path, gone[:-2] + gone[-1:]) == []
        assert len({name for name, at, _ in held(tmp_path, kept) if at == 0}) == len(kept)
        # Records keep their shape and their counts.
        items = gallery.jobs.items(job, limit=1000)
        assert len(items) == len(names)
        erased = [item for item in items if item.item.startswith("erased-")]
        assert len(erased) == len(gone)
        assert {item.result["person"] for item in erased} == {"erased"}
        assert len(gallery.jobs.findings(job, limit=1000)) == len(names)
        assert gallery.audit.verify().damage is None
        gallery.create_person("staff", NewPerson(gone[0]))  # and may come back
        assert gallery.forget()
        assert held(tmp_path, gone[:1]) != []


def test_a_retry_that_comes_after_the_deletion_does_not_enrol_anew(
    opened: Callable[..., Opened], att: Att
) -> None:
    service = opened()
    http, gallery = service.http, service.service.gallery
    http.post("/v1/collections", json={"id": "staff"})
    asked = {"files": {"image": ("a.pgm", att[1, 1])}, "headers": {"Idempotency-Key": "once"}}
    url = "/v1/collections/staff/persons/ada/faces?create=true"
    first = http.post(url, **asked)
    assert first.status_code == 201, first.text
    assert http.delete("/v1/collections/staff/persons/ada").status_code == 204
    assert gallery.forget()
    again = http.post(url, **asked)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "idempotency_conflict")
    assert http.get("/v1/collections/staff/persons/ada").status_code == 404


def test_a_photo_that_a_job_enrolled_an_export_and_the_log_hold_nobody_who_is_gone(
    opened: Callable[..., Opened], att: Att, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "home"
    service = opened(home=home, workers=0).service
    app = opened(home=home, workers=0)
    app.http.post("/v1/collections", json={"id": "staff", "keep_crops": True})
    client = Client("http://localhost", transport=app.http._transport)
    job = client.jobs.create("enroll", "staff", open=True)
    people = ["ada-unmistakable", "bob-unmistakable"]
    photos = [(f"{name}/1", name, att[at, 1]) for at, name in enumerate(people, 1)]
    client.jobs.add(job.id, photos)
    client.jobs.start(job.id)
    worker = Worker(service, KINDS, 1)
    while worker.once():
        pass
    export = client.jobs.create("export", "staff")
    while worker.once():
        pass
    assert client.jobs.get(export.id).state == "done"
    exports = ForgottenExports(service)
    exports.remove()
    assert (home / "exports" / f"{export.id}.jsonl").exists()
    assert {
        name for name in people if any(name.encode() in path.read_bytes() for path in files(home))
    } == set(people)
    client.delete_person("staff", "ada-unmistakable")
    exports.remove()
    for gallery in (service.gallery, app.service.gallery):
        gallery.maintain(snapshot=True)
        gallery.forget()
    assert not [path for path in files(home) if b"ada-unmistakable" in path.read_bytes()]
    assert not [path for path in files(home) if att[1, 1][-200:] in path.read_bytes()]
    assert [path for path in files(home) if b"bob-unmistakable" in path.read_bytes()]
    assert not list((home / "exports").iterdir())
    assert app.http.get(f"/v1/jobs/{export.id}/result").status_code == 404
    later = client.jobs.create("export", "staff")
    while worker.once():
        pass
    client.create_person("staff", "carl")
    client.delete_person("staff", "carl")
    exports.remove()
    assert (home / "exports" / f"{later.id}.jsonl").exists()
    told = capfd.readouterr()
    assert "unmistakable" not in told.out + told.err


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_somebody_who_reads_holds_up_the_journal_alone_and_it_is_cut_off_afterwards(tmp_path: Path) -> None:
    with Gallery.open(GallerySettings(tmp_path, background=False)) as gallery:
        gallery.create_collection(NewCollection("staff", CONTRACT, DIMENSION))
        enrol(gallery, "somebody-unmistakable")
        reader = sqlite3.connect(tmp_path / "gallery.sqlite3", isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM persons").fetchall()
        gallery.delete_person("staff", "somebody-unmistakable")
        assert not gallery.forget()
        gallery.create_person("staff", NewPerson("written meanwhile"))
        reader.close()
        assert gallery.forget()
        assert held(tmp_path, ["somebody-unmistakable"]) == []


def test_whoever_comes_next_forgets_for_a_process_that_was_killed(tmp_path: Path) -> None:
    """The note of who is gone is in the database, so that it outlives whoever deleted."""
    gallery = Gallery.open(GallerySettings(tmp_path, background=False))
    gallery.create_collection(NewCollection("staff", CONTRACT, DIMENSION))
    enrol(gallery, "somebody-unmistakable")
    record(gallery, ["somebody-unmistakable"])
    gallery.snapshot("staff")
    gallery.delete_person("staff", "somebody-unmistakable")
    gallery._store.close()  # as if killed: nothing is tidied up
    with Gallery.open(GallerySettings(tmp_path, background=False)) as other:
        assert other.forget()
        assert held(tmp_path, ["somebody-unmistakable"]) == []


def test_the_background_thread_forgets_when_it_is_due_and_again_where_it_could_not(tmp_path: Path) -> None:
    tried = threading.Semaphore(0)
    answers = iter([False, False, True])

    def forget() -> bool:
        tried.release()
        return next(answers)

    with Gallery.open(GallerySettings(tmp_path, background=False)) as gallery:
        parts = (gallery._follower, gallery._engine, gallery._keys)
        upkeep = Upkeep(*parts, snapshot_every=1000, seconds=0.001, forget=forget, forget_seconds=0.0)
        upkeep._forget_seconds = 3600.0
        upkeep.start()
        for _ in range(3):
            assert tried.acquire(timeout=30)
        upkeep.stop()
    assert not tried.acquire(blocking=False)


def test_on_postgres_records_forget_too_and_a_full_vacuum_takes_the_bytes(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    address = postgres.new_database()
    names = [f"somebody-{at}-on-postgres" for at in range(3)]
    with Gallery.open(GallerySettings(tmp_path, database=address, background=False)) as gallery:
        gallery.create_collection(NewCollection("staff", CONTRACT, DIMENSION, keep_crops=True))
        for name in names:
            enrol(gallery, name)
        job = record(gallery, names)
        gallery.snapshot("staff")
        gallery.delete_person("staff", names[1])
        assert gallery.forget()
        assert held(tmp_path, names[1:2]) == []
        assert [item.result["person"] for item in gallery.jobs.items(job)] == [names[0], "erased", names[2]]
        tables = ("persons", "faces", "crops", "receipts", "job_items", "job_findings", "forgotten")
        for table in tables:
            postgres.ask(f"VACUUM (FULL, ANALYZE) {table}", url=address)
        assert [postgres.tables_hold(mark) for mark in marks(names[1])] == [False] * 6
        assert postgres.tables_hold(names[0].encode())


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (
            {"person": "ada", "name": "Ada", "n": 3, "more": {"a": "b"}},
            {"person": "erased", "name": "erased", "n": 3, "more": {}},
        ),
        ({"pair": ["ada", "bob"], "kind": "x"}, {"pair": ["erased", "bob"], "kind": "x"}),
        (
            {"of": [{"id": "ada", "file": "f"}, {"id": "bob", "file": "g"}]},
            {"of": [{"id": "erased", "file": "erased"}, {"id": "bob", "file": "g"}]},
        ),
        ({"ada": 2, "adam": "ada's"}, {"erased": 2, "adam": "ada's"}),
    ],
)
def test_what_names_somebody_keeps_its_shape_without_them(value: object, wanted: object) -> None:
    assert redacted(value, {"ada"}) == wanted
