"""The audit: a line in the transaction of every write, nothing that can be changed without showing, nobody named."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from index.audit import Search
from index.audit_records import FIRST, Action, Actor, Line, Note, Wanted, acting
from index.audit_salt import open_salt
from index.errors import PersonExists, ReplayedReceipt, StoreUnavailable, UnknownPerson
from index.gallery import Gallery
from index.job_records import ItemState, NewItem, NewJob, Outcome
from index.key_records import StoredKey
from index.records import NewCollection, NewFace, NewPerson, Receipt
from index.store import clock, log
from index.writing import Settlement, Writing
from tests.index.conftest import BOTH_STORES, CONTRACT

Opener = Callable[..., Gallery]
DIMENSION = 8


def face(seed: int) -> NewFace:
    return NewFace(np.random.default_rng(seed).standard_normal(DIMENSION))


def with_people(gallery: Gallery) -> Gallery:
    gallery.create_collection(NewCollection("c", CONTRACT, DIMENSION))
    for person in ("ada", "bob"):
        gallery.add_faces(
            "c", person, [face(1), face(2)], contract_id=CONTRACT, create_person=NewPerson(person)
        )
    return gallery


def lines(gallery: Gallery, **wanted: Any) -> list[Line]:
    return list(gallery.audit.lines(Wanted(**wanted)))


def told(found: list[Line]) -> list[tuple[str, str | None, str, int]]:
    return [(line.action, line.about, line.outcome, line.faces) for line in found]


@BOTH_STORES
def test_every_write_leaves_its_line(opened: Opener) -> None:
    gallery = with_people(opened())
    gallery.update_collection("c", metadata={"a": 1})
    gallery.create_person("c", NewPerson("eve"))
    gallery.update_person("c", "eve", name="Eve")
    list(gallery.enroll_templates("c", [("eve", face(3)), ("kim", face(4))], contract_id=CONTRACT))
    gone = gallery.faces("c", "ada")[0].id
    gallery.delete_face("c", "ada", gone)
    gallery.merge_persons("c", "ada", "bob")
    gallery.delete_person("c", "ada")
    gallery.delete_collection("c", force=True)
    assert told(lines(gallery)) == [
        ("create_collection", None, "done", 0),
        ("enrol", None, "done", 2),
        ("enrol", None, "done", 2),
        ("change_collection", None, "done", 0),
        ("create_person", None, "done", 0),
        ("change_person", None, "done", 0),
        ("enrol", None, "done", 1),
        ("enrol", None, "done", 1),
        ("delete_face", gone, "done", 1),
        ("merge", None, "done", 0),
        ("delete_person", None, "merged", 0),
        ("delete_person", None, "done", 3),
        ("delete_collection", None, "done", 2),
    ]
    assert gallery.audit.verify().damage is None
    assert gallery.audit.verify().number == 13


@BOTH_STORES
def test_jobs_and_keys_leave_their_lines(opened: Opener) -> None:
    gallery = with_people(opened())
    before = gallery.audit.newest()[0]
    with acting(Actor("0123abcd", request="r-1")):
        job = gallery.jobs.create(NewJob("enroll", "c", open=True))
        gallery.jobs.add(job.id, [NewItem("one")])
        gallery.jobs.start(job.id)
        gallery.jobs.cancel(job.id)
        gallery.jobs.resume(job.id)
        gallery.jobs.cancel(job.id)
        gallery.jobs.remove(job.id)
        gallery.keys.add(StoredKey("89abcdef", "", "read", "0" * 64, clock.moment(0)))
        assert gallery.keys.revoke("89abcdef")
        assert not gallery.keys.revoke("89abcdef")
    found = lines(gallery)[before:]
    assert [(line.action, line.about) for line in found] == [
        ("job_made", "enroll"),
        ("job_upload", "enroll"),
        ("job_started", "enroll"),
        ("cancelled", "enroll"),
        ("job_resumed", "enroll"),
        ("cancelled", "enroll"),
        ("job_deleted", "enroll"),
        ("key_created", "89abcdef"),
        ("key_revoked", "89abcdef"),
    ]
    assert {line.job for line in found[:7]} == {job.id}
    assert {(line.actor, line.request) for line in found} == {("0123abcd", "r-1")}


def test_what_a_job_writes_names_the_worker_the_job_and_each_person(opened: Opener) -> None:
    gallery = with_people(opened())
    job = gallery.jobs.create(NewJob("purge", "c"), [NewItem("all")])
    claim = gallery.jobs.claim_items(lambda _: 1)
    assert claim is not None
    (span,) = _spans(gallery)

    def work(writing: Writing) -> Settlement:
        writing.remove_person("c", "bob")
        later = clock.now() + 60_000_000
        writing.purge_faces("c", span, later, remove_empty=False)
        writing.purge_persons("c", span, later)
        return Settlement([Outcome(claim.items[0].key, ItemState.DONE)])

    before = gallery.audit.newest()[0]
    with acting(Actor("worker", job=job.id)):
        gallery.settle(claim, work)
    found = lines(gallery)[before:]
    assert [(line.action, line.outcome, line.faces) for line in found] == [
        ("delete_person", "done", 2),
        ("delete_face", "purged", 2),
        ("delete_person", "purged", 0),
    ]
    subjects = [gallery.audit.subject("c", person) for person in ("bob", "ada", "ada")]
    assert [line.subject for line in found] == subjects
    assert {(line.actor, line.job) for line in found} == {("worker", job.id)}


def _spans(gallery: Gallery) -> list[Any]:
    with gallery.reading() as reading:
        return reading.spans("c", 100)


@BOTH_STORES
def test_a_write_that_is_undone_or_done_before_leaves_no_line(opened: Opener) -> None:
    gallery = with_people(opened())
    receipt = Receipt("k", "once", "d", lambda _: b"made")
    gallery.create_person("c", NewPerson("eve"), receipt=receipt)
    before = gallery.audit.newest()
    with pytest.raises(ReplayedReceipt):
        gallery.create_person("c", NewPerson("eve"), receipt=receipt)
    with pytest.raises(PersonExists):
        gallery.create_person("c", NewPerson("ada"))
    with pytest.raises(UnknownPerson):
        gallery.merge_persons("c", "ada", "nobody")
    assert gallery.audit.newest() == before


def test_no_write_is_done_whose_line_cannot_be_written(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = with_people(opened())

    def full(*_: Any) -> None:
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr("index.store.audit.append", full)
    for write in (
        lambda: gallery.delete_person("c", "ada"),
        lambda: gallery.jobs.create(NewJob("export", "c")),
        lambda: gallery.keys.add(StoredKey("89abcdef", "", "read", "0" * 64, clock.moment(0))),
    ):
        with pytest.raises(StoreUnavailable):
            write()
    assert gallery.person("c", "ada").faces == 2
    assert gallery.jobs.page() == []
    assert gallery.keys.valid() == []


CHANGES = [
    "UPDATE audit SET actor = 'somebody' WHERE number = 2",
    "DELETE FROM audit WHERE number = 2",
    "DELETE FROM audit",
]


@BOTH_STORES
def test_the_database_refuses_to_change_or_remove_a_line(opened: Opener, database: str | None) -> None:
    gallery = with_people(opened())
    only = (
        ["INSERT OR REPLACE INTO audit SELECT * FROM audit WHERE number = 2"]
        if database is None
        else ["TRUNCATE audit"]
    )
    for statement in [*CHANGES, *only]:
        with pytest.raises((DBAPIError, StoreUnavailable)), gallery._store.write() as connection:
            connection.execute(text(statement))
    assert gallery.audit.verify().damage is None
    assert gallery.audit.newest()[0] == 3


def unguarded(gallery: Gallery, *statements: str) -> None:
    """What somebody does who may change the tables themselves."""
    with gallery._store.write() as connection:
        names = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars()
        for name in list(names):
            connection.execute(text(f"DROP TRIGGER {name}"))
        for statement in statements:
            connection.execute(text(statement))


COPY = "INSERT INTO audit SELECT {}, at, actor, action, collection, subject, about, outcome, faces, request, job, hash"


@pytest.mark.parametrize(
    ("statement", "damage"),
    [
        ("UPDATE audit SET actor = 'somebody' WHERE number = 2", "line 2 is not as it was written"),
        ("UPDATE audit SET at = at + 1 WHERE number = 3", "line 3 is not as it was written"),
        ("UPDATE audit SET subject = NULL WHERE number = 2", "line 2 is not as it was written"),
        ("UPDATE audit SET faces = 1 WHERE number = 2", "line 2 is not as it was written"),
        ("UPDATE audit SET hash = '00' WHERE number = 1", "line 1 is not as it was written"),
        ("DELETE FROM audit WHERE number = 1", "line 1 is missing"),
        ("DELETE FROM audit WHERE number = 2", "line 2 is missing"),
        ("DELETE FROM audit WHERE number = 3", "the last line is 2, it should be 3"),
        ("DELETE FROM audit", "the last line is 0, it should be 3"),
        (
            f"{COPY.format(4)} FROM audit WHERE number = 3; UPDATE audit_head SET number = 4",
            "line 4 is not as",
        ),
        ("UPDATE audit_head SET number = 2", "the last line is 2"),
    ],
)
def test_a_line_that_was_changed_removed_or_added_shows(opened: Opener, statement: str, damage: str) -> None:
    gallery = with_people(opened())
    assert gallery.audit.verify().damage is None
    unguarded(gallery, *statement.split("; "))
    verdict = gallery.audit.verify()
    assert verdict.damage is not None
    assert damage in verdict.damage


def test_a_chain_made_anew_as_a_whole_shows_by_a_line_that_was_kept_elsewhere(opened: Opener) -> None:
    gallery = with_people(opened())
    kept = gallery.audit.newest()
    assert gallery.audit.verify(kept).damage is None
    before, changes = FIRST, []
    for line in lines(gallery):
        made = Line(**{**vars(line), "actor": "somebody"})
        before = made.follows(before)
        changes.append(f"UPDATE audit SET actor = 'somebody', hash = '{before}' WHERE number = {line.number}")
    unguarded(gallery, *changes, f"UPDATE audit_head SET hash = '{before}'")
    assert gallery.audit.verify().damage is None
    damage = gallery.audit.verify(kept).damage
    assert damage is not None
    assert "line 3 has the hash" in damage
    beyond = gallery.audit.verify((4, kept[1])).damage
    assert beyond is not None
    assert "line 4 was expected" in beyond


@BOTH_STORES
def test_writers_of_many_threads_and_galleries_make_one_chain(opened: Opener) -> None:
    one, other = with_people(opened()), opened()
    before = one.audit.newest()[0]

    def write(number: int) -> None:
        gallery = (one, other)[number % 2]
        if number % 3 == 0:
            gallery.create_person("c", NewPerson(f"p{number}"))
        elif number % 3 == 1:
            gallery.jobs.create(NewJob("export", "c"))
        else:
            gallery.audit.searched([Search(Note(Action.IDENTIFY, "c"), Actor(), clock.now())] * 2)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(30)))
    verdict = one.audit.verify()
    assert verdict.damage is None
    assert verdict.number == before + 40


def test_a_person_stands_as_a_digest_that_only_the_salt_and_the_id_make(
    opened: Opener, tmp_path: Path
) -> None:
    gallery = with_people(opened())
    gallery.delete_person("c", "ada")
    found = lines(gallery, collection="c", person="ada")
    assert [line.action for line in found] == ["enrol", "delete_person"]
    told = [str(value) for line in lines(gallery) for value in vars(line).values()]
    assert not any("ada" in re.sub(r"[0-9a-f]{32,}", "", text) for text in told)
    assert lines(gallery, collection="d", person="ada") == []
    salt = tmp_path / "gallery" / "audit.salt"
    assert salt.stat().st_mode & 0o777 == 0o600
    assert open_salt(salt.parent) == salt.read_bytes()
    salt.write_bytes(b"short")
    with pytest.raises(ValueError, match="32"):
        open_salt(salt.parent)


def test_lines_are_found_by_what_they_say_and_paged_newest_first(opened: Opener) -> None:
    gallery = with_people(opened())
    with acting(Actor("0123abcd")):
        gallery.delete_person("c", "bob")
    newest = gallery.audit.page(Wanted(), None, 2)
    assert [line.number for line in newest] == [4, 3]
    assert [line.number for line in gallery.audit.page(Wanted(), 3, 5)] == [2, 1]
    assert [line.number for line in lines(gallery, actor="0123abcd")] == [4]
    assert [line.number for line in lines(gallery, action="enrol")] == [2, 3]
    middle = clock.moment(lines(gallery)[2].at)
    assert [line.number for line in lines(gallery, until=middle)][-1] < 3
    assert next(line.number for line in lines(gallery, since=middle)) <= 3
    assert lines(gallery, since=middle + timedelta(days=1)) == []


def test_a_gallery_that_keeps_no_audit_writes_none(opened: Opener) -> None:
    gallery = with_people(opened(audit=False))
    gallery.audit.searched([Search(Note(Action.IDENTIFY, "c"), Actor(), clock.now())])
    assert gallery.audit.newest() == (0, FIRST)
    assert gallery.audit.verify().damage is None


def test_every_change_of_the_gallery_has_a_line(opened: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """The change log knows every write: none of them may leave the audit where it was."""
    silent: list[str] = []
    advance = log.advance

    def watched(connection: Connection, collection: int, kind: log.Kind, persons: Any = ()) -> int:
        connection.info.setdefault("advanced", []).append(str(kind))
        return advance(connection, collection, kind, persons)

    gallery = opened()
    append = gallery.audit.append

    def checked(connection: Connection, notes: Any) -> None:
        if connection.info.pop("advanced", []) and not notes:
            silent.append("a write without a line")
        append(connection, notes)

    monkeypatch.setattr(log, "advance", watched)
    monkeypatch.setattr(gallery.audit, "append", checked)
    with_people(gallery)
    gallery.samples.change(lambda writing: writing.remove_person("c", "ada"))
    gallery.merge_persons("c", "bob", gallery.create_person("c", NewPerson("eve")).id)
    gallery.forms.begin("c", "contract-b", 4)
    gallery.forms.discard("c", next(iter(gallery.forms.siblings("c"))).role)
    gallery.delete_collection("c", force=True)
    assert silent == []
