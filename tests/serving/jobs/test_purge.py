"""The kind `purge`: what is too old is gone from rows, crops, index and snapshot, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from index.job_records import JobState
from index.records import NewCollection, NewFace, NewPerson, Role
from index.store import clock
from index.writing import Writing
from serving.jobs.kinds import purge
from serving.jobs.kinds.purge import PURGE
from serving.service import Service
from tests.serving.jobs.made_jobs import (
    CONTRACT,
    contents,
    done,
    enrol,
    findings,
    make,
    opened_service,
    run,
    run_with_deaths,
    units,
)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with opened_service(tmp_path, keep_crops=True) as opened:
        yield opened


def face(row: NDArray[np.float64], days: float, crop: bytes | None = b"png") -> NewFace:
    return NewFace(row, crop=crop, created_at=datetime.now(UTC) - timedelta(days=days))


def people(service: Service, count: int = 12) -> NDArray[np.float64]:
    """p00: one old face; p01: an old and a new one; p02: a new one; p03: one old face; and so on."""
    rows = units(2 * count)
    ages = {0: (40.0,), 1: (40.0, 1.0), 2: (1.0,)}
    faces = [
        (f"p{at:02}", face(rows[2 * at + n], days))
        for at in range(count)
        for n, days in enumerate(ages[at % 3])
    ]
    enrol(service, faces)
    return rows


def found(service: Service, row: NDArray[np.float64], collection: str = "people") -> list[str]:
    (hits,) = service.gallery.identify(collection, row[None], contract_id=CONTRACT, threshold=0.9)
    return [hit.person_id for hit in hits]


def test_old_faces_go_and_who_has_none_left_goes_with_them(service: Service) -> None:
    rows = people(service)
    job = done(service, PURGE, days=30)
    assert (job.result["faces"], job.result["persons"], job.result["dry_run"]) == (8, 4, False)
    collection = service.gallery.collection("people")
    assert (collection.persons, collection.faces) == (8, 8)
    assert [person.id for person in service.gallery.persons("people")] == [
        f"p{at:02}" for at in range(12) if at % 3
    ]
    assert found(service, rows[0]) == []
    assert found(service, rows[2]) == []
    assert found(service, rows[3]) == ["p01"]
    assert found(service, rows[4]) == ["p02"]


def test_who_has_no_face_left_stays_where_that_is_wanted(service: Service) -> None:
    rows = people(service)
    job = done(service, PURGE, days=30, remove_empty=False)
    assert (job.result["faces"], job.result["persons"]) == (8, 0)
    assert service.gallery.person("people", "p00").faces == 0
    assert service.gallery.collection("people").persons == 12
    assert found(service, rows[0]) == []


def test_somebody_who_never_had_a_face_is_not_old(service: Service) -> None:
    service.gallery.create_person("people", NewPerson("empty"))
    done(service, PURGE, days=0.001)
    assert service.gallery.person("people", "empty").faces == 0


def test_a_dry_run_counts_and_removes_nothing(service: Service) -> None:
    people(service)
    before = contents(service)
    result = done(service, PURGE, days=30, dry_run=True).result
    assert (result["faces"], result["persons"], result["dry_run"]) == (8, 4, True)
    assert contents(service) == before


@pytest.mark.parametrize("dry_run", [True, False])
def test_by_person_those_go_whom_nobody_changed(
    service: Service, monkeypatch: pytest.MonkeyPatch, dry_run: bool
) -> None:
    now = clock.now
    with monkeypatch.context() as earlier:
        earlier.setattr(clock, "now", lambda: now() - 40 * 86_400_000_000)
        rows = people(service)
    service.gallery.update_person("people", "p01", name="changed")
    before = contents(service)
    result = done(service, PURGE, days=30, by="person", dry_run=dry_run).result
    assert (result["faces"], result["persons"]) == (14, 11)
    if dry_run:
        assert contents(service) == before
        return
    assert [person.id for person in service.gallery.persons("people")] == ["p01"]
    assert found(service, rows[0]) == []
    assert service.gallery.collection("people").faces == 2


def test_no_byte_of_a_purged_template_is_left_in_snapshot_or_database(tmp_path: Path) -> None:
    secret = units(1, seed=99)[0]
    with opened_service(tmp_path, keep_crops=True) as service:
        people(service)
        enrol(service, [("gone", face(secret, 40, crop=b"the crop of somebody who is gone"))])
        service.gallery.maintain(snapshot=True)
        template = secret.astype(np.float32).astype(np.float16).tobytes()

        def holders(what: bytes) -> list[str]:
            return [path.name for path in tmp_path.rglob("*") if path.is_file() and what in path.read_bytes()]

        assert any(name.endswith(".segment") for name in holders(template))
        assert done(service, PURGE, days=30).result["snapshot_renewed"]
        assert not any(name.endswith(".segment") for name in holders(template))
    assert holders(template) == []
    assert holders(b"the crop of somebody who is gone") == []


def test_killed_workers_leave_what_an_undisturbed_run_leaves(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(purge, "SPAN", 3)
    people(service)
    job = run_with_deaths(service, PURGE, make(service, PURGE, days=30))
    assert (job.result["faces"], job.result["persons"]) == (8, 4)
    assert service.gallery.collection("people").faces == 8
    assert {len(person.faces) for person in contents(service)["people"]} == {1}


def test_age_is_counted_from_when_the_job_was_made(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    people(service)
    job = make(service, PURGE, days=30)
    now = clock.now
    monkeypatch.setattr(clock, "now", lambda: now() + 300 * 86_400_000_000)
    assert run(service, PURGE, job).result["faces"] == 8


def test_other_collections_keep_what_they_have(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(purge, "SPAN", 3)
    service.gallery.create_collection(NewCollection("other", CONTRACT, 32))
    for at, row in enumerate(units(12)):  # by turns, so that both have persons in each span
        enrol(service, [(f"p{at}", face(row, 40))], "other" if at % 2 else "people")
    assert done(service, PURGE, days=30).result["persons"] == 6
    assert service.gallery.collection("other").faces == 6


def test_the_form_beside_the_live_one_loses_the_same_faces(service: Service) -> None:
    people(service, 3)
    forms = service.gallery.forms
    forms.begin("people", "next-2222", 8)
    ids = {person.id: [one.id for one in person.faces] for person in contents(service)["people"]}
    claimed = make(service, PURGE, days=30)
    for person, mine in ids.items():
        kept = [
            NewFace(np.eye(8)[0], id=one.id, created_at=one.created_at)
            for one in service.gallery.faces("people", person)
        ]
        assert len(kept) == len(mine)
        with service.gallery._store.write() as connection:
            Writing(connection).bring("people", Role.NEXT, person, kept)
    (form,) = forms.siblings("people")
    assert (form.persons, form.faces) == (3, 4)
    assert run(service, PURGE, claimed).result["faces"] == 2
    (form,) = forms.siblings("people")
    assert (form.persons, form.faces) == (2, 2)


def test_an_empty_collection_has_nothing_to_purge(service: Service) -> None:
    job = done(service, PURGE, days=30)
    assert (job.result["faces"], job.result["persons"], job.items) == (0, 0, 0)
    assert findings(service, job) == []


def test_a_collection_that_is_gone_fails_the_job_and_says_so(service: Service) -> None:
    job = run(service, PURGE, make(service, PURGE, collection="nowhere", days=1))
    assert job.state is JobState.FAILED
    assert "there is no collection 'nowhere'" in job.message


def test_a_cancelled_purge_removes_nothing(service: Service) -> None:
    people(service)
    job = make(service, PURGE, days=30)
    service.gallery.jobs.cancel(job.id)
    assert run(service, PURGE, job).state is JobState.CANCELLED
    assert service.gallery.collection("people").faces == 16
