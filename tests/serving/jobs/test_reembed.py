"""The kinds `reembed`, `rollback` and `discard`, on made packs: whole, resumed, refused, with faces that are lost."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from faces.image import encode_crop
from index.errors import ContractMismatch, UnknownForm
from index.gallery import Gallery, GallerySettings
from index.job_records import ItemState, JobState
from index.records import NewFace, NewPerson, Role
from index.writing import Writing
from serving.errors import ApiError
from serving.jobs.kinds.discard import DISCARD
from serving.jobs.kinds.enroll import Enroll
from serving.jobs.kinds.reembed import REEMBED
from serving.jobs.kinds.rollback import ROLLBACK
from serving.jobs.making import new_job
from serving.service import Service
from tests.postgres_server import PostgresServer
from tests.serving.jobs.made_jobs import findings, run, run_with_deaths, working
from tests.serving.jobs.reembed_kit import (
    DIMENSION,
    NEW,
    OLD,
    PEOPLE,
    crop_of,
    fill,
    finds,
    held,
    make,
    photo,
    template,
    two_packs,
)

COUNT = 70
"""More than two items of persons."""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    with two_packs(tmp_path) as opened:
        yield opened


def enrol(service: Service, person: str, data: bytes, *, crop: bool = True, **detail: object) -> str:
    """Under the live contract; the id of the face."""
    contract = service.gallery.collection(PEOPLE).contract_id
    kept = encode_crop(crop_of(data)) if crop else None
    source = hashlib.sha256(data).hexdigest()
    face = NewFace(template(data, contract), 0.5, detail, kept, source)
    written = service.gallery.add_faces(
        PEOPLE, person, [face], contract_id=contract, create_person=NewPerson(person), exist_ok=True
    )
    return written.faces[0].id


def refused(service: Service, kind: str, **options: object) -> str:
    """What whoever asks for such a job is told."""
    with pytest.raises(ApiError) as caught:
        new_job(service, kind, PEOPLE, options, "somebody", local=True)
    assert (caught.value.status, caught.value.code) == (409, "job_refused")
    return caught.value.message


def whole_under(service: Service, contract: str, people: int) -> None:
    assert service.gallery.collection(PEOPLE).contract_id == contract
    assert [finds(service, person, contract) for person in range(people)] == [
        [f"p{person}"] for person in range(people)
    ]


def test_a_collection_is_re_embedded_switched_and_taken_back(service: Service) -> None:
    fill(service, COUNT)
    service.gallery.create_person(PEOPLE, NewPerson("nobody", "Without a face"))
    before = held(service)
    made = service.gallery.collection(PEOPLE)
    job = run(service, REEMBED, make(service, REEMBED, to="new"))
    assert job.state is JobState.DONE, job.message
    result = dict(job.result)
    assert result.pop("seconds") > 0
    assert result == {
        "switched": True,
        "from": OLD,
        "to": NEW,
        "persons": COUNT + 1,
        "faces": 2 * COUNT,
        "missing": 0,
    }
    assert held(service) == before
    assert service.gallery.collection(PEOPLE).created_at == made.created_at
    whole_under(service, NEW, COUNT)
    with pytest.raises(ContractMismatch):
        finds(service, 0, OLD)
    (kept,) = service.gallery.forms.siblings(PEOPLE)
    assert (kept.role, kept.contract_id, kept.faces) == (Role.PREVIOUS, OLD, 2 * COUNT)

    enrol(service, "p900", photo(900))
    service.gallery.delete_person(PEOPLE, "p3")
    service.gallery.update_person(PEOPLE, "p4", name="Renamed")
    before = held(service)
    embedded = service.packs[0].analyzer.embedded  # type: ignore[attr-defined]
    job = run(service, ROLLBACK, make(service, ROLLBACK))
    assert (job.state, job.result["switched"], job.result["to"]) == (JobState.DONE, True, OLD), job.message
    assert held(service) == before
    assert finds(service, 900, OLD) == ["p900"]
    assert finds(service, 3, OLD) == []
    assert service.gallery.person(PEOPLE, "p4").name == "Renamed"
    # Going back embeds what is new alone.
    assert service.packs[0].analyzer.embedded == embedded + 1  # type: ignore[attr-defined]


def test_the_cosines_are_those_of_a_collection_enrolled_under_the_new_contract(service: Service) -> None:
    fill(service, 12)
    run(service, REEMBED, make(service, REEMBED, to=NEW))
    for person in range(12):
        rows = np.stack([template(photo(person, number), NEW) for number in (0, 1)])
        mean = rows.mean(axis=0) / np.linalg.norm(rows.mean(axis=0))
        probe = template(photo(person, 99), NEW)
        found = service.gallery.verify(PEOPLE, f"p{person}", probe, contract_id=NEW)
        assert found.cosine == pytest.approx(float(mean @ probe), abs=1e-3)


def test_postgresql_changes_contracts_as_sqlite_does(tmp_path: Path, postgres: PostgresServer) -> None:
    with two_packs(tmp_path, database=postgres.new_database()) as service:
        fill(service, 40)
        assert run(service, REEMBED, make(service, REEMBED, to="new")).result["switched"]
        enrol(service, "p900", photo(900))
        whole_under(service, NEW, 5)
        assert run(service, ROLLBACK, make(service, ROLLBACK)).result["switched"]
        assert finds(service, 900, OLD) == ["p900"]
        job = run(service, DISCARD, make(service, DISCARD, form="previous"))
        assert job.result == {"form": "previous", "contract_id": NEW, "persons": 41, "faces": 81}


def test_workers_that_die_at_every_step_change_nothing_of_the_end(service: Service) -> None:
    fill(service, COUNT)
    before = held(service)
    job = run_with_deaths(service, REEMBED, make(service, REEMBED, to="new"))
    assert (job.state, job.result["to"]) == (JobState.DONE, NEW), job.message
    assert held(service) == before
    whole_under(service, NEW, COUNT)
    # Of a rollback the end must not be done twice: that would undo it.
    job = run_with_deaths(service, ROLLBACK, make(service, ROLLBACK))
    assert (job.state, job.result["to"]) == (JobState.DONE, OLD), job.message
    whole_under(service, OLD, COUNT)


def test_the_live_form_answers_alone_until_the_switch_and_may_stay(service: Service) -> None:
    fill(service, COUNT)
    job = run(service, REEMBED, make(service, REEMBED, to="new", switch=False))
    assert (job.state, job.result["switched"], job.result["faces"]) == (JobState.DONE, False, 2 * COUNT)
    whole_under(service, OLD, COUNT)
    enrol(service, "late", photo(900))
    embedded = service.packs[1].analyzer.embedded  # type: ignore[attr-defined]
    job = run(service, REEMBED, make(service, REEMBED, to="new"))
    assert job.result["switched"]
    # What the first job made was not made again.
    assert service.packs[1].analyzer.embedded == embedded + 1  # type: ignore[attr-defined]
    assert finds(service, 900, NEW) == ["late"]


def test_a_cancelled_job_leaves_its_form_and_goes_on_where_it_was(service: Service) -> None:
    fill(service, COUNT)
    job = make(service, REEMBED, to="new")
    with working(service, REEMBED) as worker:
        assert worker.once()
        assert worker.once()
    service.gallery.jobs.cancel(job.id)
    run(service, REEMBED, job)
    (form,) = service.gallery.forms.siblings(PEOPLE)
    assert form.role is Role.NEXT
    assert 0 < form.persons < COUNT
    service.gallery.jobs.resume(job.id)
    assert run(service, REEMBED, job).result["switched"]
    whole_under(service, NEW, COUNT)


def test_a_resumed_job_whose_form_was_discarded_says_so(service: Service) -> None:
    fill(service, COUNT)
    job = make(service, REEMBED, to="new")
    with working(service, REEMBED) as worker:
        assert worker.once()
        assert worker.once()
    service.gallery.jobs.cancel(job.id)
    assert run(service, DISCARD, make(service, DISCARD, form="next")).state is JobState.DONE
    assert service.gallery.forms.siblings(PEOPLE) == []
    service.gallery.jobs.resume(job.id)
    job = run(service, REEMBED, job)
    assert (job.state, "has no next form" in job.message) == (JobState.FAILED, True)
    whole_under(service, OLD, 5)


def test_an_old_job_resumed_on_a_form_begun_anew_switches_nothing_that_is_not_whole(service: Service) -> None:
    fill(service, COUNT)
    old = make(service, REEMBED, to="new")
    with working(service, REEMBED) as worker:
        assert worker.once()
        assert worker.once()
    service.gallery.jobs.cancel(old.id)
    run(service, DISCARD, make(service, DISCARD, form="next"))
    service.gallery.forms.begin(PEOPLE, NEW, DIMENSION[NEW])
    service.gallery.jobs.resume(old.id)
    assert run(service, REEMBED, old).result["switched"]
    whole_under(service, NEW, COUNT)


def test_a_cancelled_job_exchanges_nothing_even_at_its_last_step(service: Service) -> None:
    fill(service, 5)
    job = make(service, REEMBED, to="new")
    warm = service.gallery.warm

    def cancelled(collection: str, role: Role) -> None:
        warm(collection, role)
        service.gallery.jobs.cancel(job.id)

    service.gallery.warm = cancelled  # type: ignore[method-assign]
    assert run(service, REEMBED, job).state is JobState.CANCELLED
    whole_under(service, OLD, 5)


def test_what_cannot_be_begun_is_refused_with_the_reason(tmp_path: Path) -> None:
    with two_packs(tmp_path, keep_crops=False) as service:
        assert "nothing to go back to" in refused(service, "rollback")
        assert "has no next form" in refused(service, "discard", form="next")
        assert "no pack 'other' is served here; served are old (old-0001), new (new-0002)" in refused(
            service, "reembed", to="other"
        )
        assert "has the contract old-0001 already" in refused(service, "reembed", to="old")
        fill(service, 3, crops=False)
        assert "keeps no crops, so its 6 faces" in refused(service, "reembed", to="new")
        job = run(service, REEMBED, make(service, REEMBED, to="new"))
        assert (job.state, "keeps no crops" in job.message) == (JobState.FAILED, True)
        assert service.gallery.forms.siblings(PEOPLE) == []


def test_a_form_that_is_in_the_way_is_named(service: Service) -> None:
    fill(service, 3)
    gallery = service.gallery
    gallery.forms.begin(PEOPLE, "third-0003", 8)
    assert "is being re-embedded to third-0003" in refused(service, "reembed", to="new")
    gallery.forms.discard(PEOPLE, Role.NEXT)
    run(service, REEMBED, make(service, REEMBED, to="new"))
    assert "a `rollback` job goes back to it" in refused(service, "reembed", to="old")
    run(service, ROLLBACK, make(service, ROLLBACK))
    # Now the previous form is of the new contract: no third one can be made beside it.
    assert "goes back to it" in refused(service, "reembed", to="new", discard_previous=True)


def test_an_older_previous_form_makes_room_where_that_is_asked_for(tmp_path: Path) -> None:
    with two_packs(tmp_path) as service:
        fill(service, 5)
        gallery = service.gallery
        gallery.forms.begin(PEOPLE, "older-0000", 8)
        revision, _ = gallery.forms.touched(PEOPLE, Role.NEXT)
        one = NewFace(np.ones(8))
        for lacks in gallery.forms.lacking(PEOPLE, Role.NEXT, [f"p{at}" for at in range(5)]):
            faces = [NewFace(one.embedding, id=face.id) for face in lacks.faces]
            gallery._write(None, lambda c, p=lacks, f=faces: bring(c, p.person_id, f), lambda _: [])
        gallery.forms.in_step(PEOPLE, Role.NEXT, revision)
        assert gallery.forms.exchange(PEOPLE, Role.NEXT, lambda _: {})
        assert gallery.forms.exchange(PEOPLE, Role.PREVIOUS, lambda _: {})
        assert "still keeps its previous form, of contract older-0000" in refused(
            service, "reembed", to="new"
        )
        assert run(service, REEMBED, make(service, REEMBED, to="new", discard_previous=True)).result[
            "switched"
        ]
        assert [one.contract_id for one in gallery.forms.siblings(PEOPLE)] == [OLD]
        whole_under(service, NEW, 5)


def bring(connection, person, faces):  # type: ignore[no-untyped-def]
    Writing(connection).bring(PEOPLE, Role.NEXT, person, faces)


def test_a_face_with_neither_crop_nor_photo_keeps_the_forms_from_being_exchanged(service: Service) -> None:
    fill(service, 40)
    lost = enrol(service, "p7", photo(7, 5), crop=False)
    job = run(service, REEMBED, make(service, REEMBED, to="new"))
    assert (job.state, job.rejected) == (JobState.DONE, 1)
    assert (job.result["switched"], job.result["missing"], job.result["faces"]) == (False, 1, 80)
    (item,) = service.gallery.jobs.items(job.id, state=ItemState.REJECTED)
    assert list(item.reasons) == ["no_crop_no_original"]
    assert item.message.startswith("1 faces of 1 persons have neither")
    assert findings(service, job) == [{"person": "p7", "faces": [lost], "reasons": ["no_crop"]}]
    whole_under(service, OLD, 40)

    dropped = run(service, REEMBED, make(service, REEMBED, to="new", drop_missing=True))
    assert (dropped.result["switched"], dropped.result["missing"]) == (True, 1), dropped.message
    whole_under(service, NEW, 40)
    assert lost not in held(service)["p7"]
    assert len(held(service)["p7"]) == 2
    # Nobody deleted it: going back brings it back, also to somebody who was changed meanwhile.
    added = enrol(service, "p7", photo(7, 6))
    assert run(service, ROLLBACK, make(service, ROLLBACK)).result["switched"]
    assert set(held(service)["p7"]) > {lost, added}


def test_faces_without_a_crop_are_embedded_from_their_photos(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    with two_packs(tmp_path / "home", keep_crops=False) as service:
        ids = {}
        for person, item in ((1, "p1/a.pgm"), (2, "p2/a.pgm"), (3, "p3/gone.pgm"), (4, "p4/changed.pgm")):
            box = {"left": 1, "top": 1, "width": 6, "height": 6}
            ids[person] = enrol(service, f"p{person}", photo(person), crop=False, item=item, box=box)
            (photos / item).parent.mkdir(parents=True)
            (photos / item).write_bytes(photo(person))
        far = {"left": 6.5, "top": 6.5, "width": 1, "height": 1}
        ids[5] = enrol(service, "p5", photo(5), crop=False, item="p5/elsewhere.pgm", box=far)
        (photos / "p5").mkdir()
        (photos / "p5/elsewhere.pgm").write_bytes(photo(5))
        ids[6] = enrol(service, "p6", photo(6), crop=False, item="../outside.pgm")
        (tmp_path / "outside.pgm").write_bytes(photo(6))
        (photos / "p3/gone.pgm").unlink()
        (photos / "p4/changed.pgm").write_bytes(photo(4, 1))
        options = {"to": "new", "originals": str(photos), "drop_missing": True}
        job = run(service, REEMBED, make(service, REEMBED, **options))
        assert (job.result["switched"], job.result["missing"], job.result["faces"]) == (True, 4, 2)
        assert {one["person"]: one["reasons"] for one in findings(service, job)} == {
            "p3": ["original_missing"],
            "p4": ["original_changed"],
            "p5": ["face_not_found"],
            "p6": ["original_missing"],
        }
        assert [finds(service, person, NEW) for person in (1, 2, 3)] == [["p1"], ["p2"], []]


def test_a_client_cannot_name_a_folder_of_the_machine(service: Service) -> None:
    fill(service, 1)
    options = {"to": "new", "originals": "/etc"}
    with pytest.raises(ApiError, match="only its own command line"):
        new_job(service, "reembed", PEOPLE, options, "somebody", local=False)


def test_a_process_that_does_not_serve_both_contracts_leaves_the_job_to_others(tmp_path: Path) -> None:
    with two_packs(tmp_path, contracts=(OLD,)) as service:
        fill(service, 3)
        job = make(service, REEMBED, to=NEW)
        assert run(service, REEMBED, job).state is JobState.WAITING
    with two_packs(tmp_path, contracts=(NEW,)) as service:
        assert run(service, REEMBED, job).state is JobState.WAITING
    with two_packs(tmp_path, contracts=(NEW, OLD)) as service:
        assert run(service, REEMBED, job).result["switched"]


def test_an_enrolment_by_job_that_meets_an_exchange_goes_on_under_the_new_contract(
    service: Service, tmp_path: Path
) -> None:
    fill(service, 5)
    source = tmp_path / "more"
    for person in range(10, 16):
        (source / f"p{person}").mkdir(parents=True)
        (source / f"p{person}" / "0.pgm").write_bytes(photo(person))
    kind = Enroll()
    job = make(service, kind, source={"kind": "folder", "path": str(source)})
    with working(service, kind) as worker:
        assert worker.once()
        settle = service.gallery.settle

        def exchanged(*given: object) -> object:
            service.gallery.settle = settle  # type: ignore[method-assign]
            run(service, REEMBED, make(service, REEMBED, to="new"))
            return settle(*given)  # type: ignore[arg-type]

        service.gallery.settle = exchanged  # type: ignore[method-assign, assignment]
        while worker.once():
            pass
    job = service.gallery.jobs.get(job.id)
    assert (job.state, job.done) == (JobState.DONE, 6), job.message
    assert [finds(service, person, NEW) for person in range(10, 16)] == [
        [f"p{person}"] for person in range(10, 16)
    ]


def test_settings_changed_meanwhile_are_those_of_the_collection_after_the_switch(service: Service) -> None:
    fill(service, 3)
    gallery = service.gallery
    gallery.forms.begin(PEOPLE, NEW, DIMENSION[NEW])
    gallery.update_collection(PEOPLE, metadata={"owner": "door"}, keep_crops=True)
    run(service, REEMBED, make(service, REEMBED, to="new"))
    assert dict(gallery.collection(PEOPLE).metadata) == {"owner": "door"}


def test_another_process_on_the_folder_sees_one_form_or_the_other(service: Service, tmp_path: Path) -> None:
    fill(service, 40)
    with Gallery.open(GallerySettings(tmp_path / "gallery", background=False)) as other:
        probe = {contract: template(photo(7, 99), contract)[None] for contract in (OLD, NEW)}

        def asked(contract: str) -> list[str]:
            (hits,) = other.identify(PEOPLE, probe[contract], contract_id=contract, threshold=0.8)
            return [hit.person_id for hit in hits]

        job = make(service, REEMBED, to="new")
        with working(service, REEMBED) as worker:
            while other.collection(PEOPLE).contract_id == OLD:
                assert asked(OLD) == ["p7"]
                assert worker.once()
        assert asked(NEW) == ["p7"]
        with pytest.raises(ContractMismatch):
            asked(OLD)
        assert service.gallery.jobs.get(job.id).state is JobState.DONE
        service.gallery.delete_person(PEOPLE, "p7")
        assert asked(NEW) == []
        run(service, DISCARD, make(service, DISCARD, form="previous"))
        with pytest.raises(ContractMismatch):
            asked(OLD)


def test_a_discarded_form_goes_in_parts_and_is_no_way_back_from_the_first(service: Service) -> None:
    fill(service, 10)
    run(service, REEMBED, make(service, REEMBED, to="new"))
    job = make(service, DISCARD, form="previous")
    claim = service.gallery.jobs.claim_plan()
    assert claim is not None
    assert not service.gallery.forms.thin(PEOPLE, Role.PREVIOUS, OLD, claim, at_most=4)
    (form,) = service.gallery.forms.siblings(PEOPLE)
    assert (form.persons, form.faces, form.whole) == (6, 12, False)
    with pytest.raises(UnknownForm):
        service.gallery.forms.thin(PEOPLE, Role.PREVIOUS, NEW, claim)
    service.gallery.jobs.let_go(claim)
    assert run(service, DISCARD, job).state is JobState.DONE
    assert service.gallery.forms.siblings(PEOPLE) == []
    whole_under(service, NEW, 10)
