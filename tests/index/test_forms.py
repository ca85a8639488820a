"""A collection under a new contract: made beside the live one, in step with it, exchanged, taken back, forgotten."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from index.errors import ContractMismatch, FormConflict, UnknownForm
from index.gallery import Gallery, GallerySettings
from index.records import KeptFace, Lacking, NewCollection, NewFace, NewPerson, Role
from index.store.schema import collections as collections_table
from index.store.schema import persons as persons_table
from index.writing import Writing
from tests.index.conftest import BOTH_STORES

OLD, NEW = "old-0001", "new-0002"
SIZE = {OLD: 8, NEW: 12}


@pytest.fixture
def gallery(opened: Callable[..., Gallery]) -> Gallery:
    return opened()


def template(face: bytes, contract: str) -> np.ndarray:
    """What a pack would make of a crop: decided by crop and contract alone."""
    seed = int.from_bytes(hashlib.sha256(contract.encode() + face).digest()[:8], "big")
    return np.random.default_rng(seed).standard_normal(SIZE[contract])


def made(face: KeptFace, contract: str) -> NewFace:
    assert face.crop is not None
    embedding = template(face.crop, contract)
    return NewFace(embedding, face.quality, face.detail, face.crop, face.source, face.id, face.created_at)


def embed_as(contract: str):  # type: ignore[no-untyped-def]
    def embed(lacks: Sequence[Lacking]) -> dict[str, list[NewFace]]:
        return {one.person_id: [made(face, contract) for face in one.faces] for one in lacks}

    return embed


def start(gallery: Gallery, *people: str) -> None:
    gallery.create_collection(NewCollection("people", OLD, SIZE[OLD], keep_crops=True))
    for person in people:
        enrol(gallery, person, person.encode())


def enrol(gallery: Gallery, person: str, crop: bytes, contract: str = OLD) -> None:
    face = NewFace(template(crop, contract), 0.5, {"of": person}, crop)
    gallery.add_faces(
        "people", person, [face], contract_id=contract, create_person=NewPerson(person), exist_ok=True
    )


def follow(gallery: Gallery, *people: str) -> None:
    """A next form that holds these people."""
    gallery.forms.begin("people", NEW, SIZE[NEW])
    revision, _ = gallery.forms.touched("people", Role.NEXT)
    bring(gallery, Role.NEXT, NEW, people)
    gallery.forms.in_step("people", Role.NEXT, revision)


def bring(gallery: Gallery, role: Role, contract: str, people: Sequence[str]) -> None:
    made = embed_as(contract)(gallery.forms.lacking("people", role, people))
    # As a job does, which writes this together with what became of its items.
    gallery._write(None, lambda c: _bring(c, role, contract, people, made), lambda _: [])


def _bring(connection, role, contract, people, made):  # type: ignore[no-untyped-def]
    new = {person: made.get(person, []) for person in people}
    Writing(connection).bring_many("people", role, new, contract)


def contents(gallery: Gallery) -> dict[str, tuple[str, list[str]]]:
    return {
        person.id: (person.name, [face.id for face in gallery.faces("people", person.id, limit=1000)])
        for person in gallery.persons("people", limit=1000)
    }


def found(gallery: Gallery, crop: bytes, contract: str) -> list[str]:
    (hits,) = gallery.identify("people", template(crop, contract)[None], contract_id=contract, threshold=0.99)
    return [hit.person_id for hit in hits]


@BOTH_STORES
def test_a_collection_changes_its_contract_at_once_and_back(gallery: Gallery) -> None:
    start(gallery, "ann", "bob")
    before = contents(gallery)
    follow(gallery, "ann", "bob")
    assert found(gallery, b"ann", OLD) == ["ann"]
    assert gallery.forms.exchange("people", Role.NEXT, embed_as(NEW))
    assert contents(gallery) == before
    assert found(gallery, b"bob", NEW) == ["bob"]
    with pytest.raises(ContractMismatch):
        found(gallery, b"bob", OLD)
    assert gallery.forms.exchange("people", Role.PREVIOUS, embed_as(OLD))
    assert contents(gallery) == before
    assert found(gallery, b"ann", OLD) == ["ann"]


@BOTH_STORES
def test_many_persons_brought_at_once_are_what_each_brought_alone_is(gallery: Gallery) -> None:
    start(gallery, "ann", "bob", "cat")
    enrol(gallery, "bob", b"bob again")
    gallery.create_person("people", NewPerson("nobody", "No face", {"a": 1}))
    people = ["ann", "bob", "cat", "nobody", "gone"]

    def brought(how: Callable[[Writing, dict[str, list[NewFace]]], None]) -> list[tuple[object, ...]]:
        gallery.forms.begin("people", NEW, SIZE[NEW])
        new = embed_as(NEW)(gallery.forms.lacking("people", Role.NEXT, people))
        # One face was deleted since it was embedded.
        new["cat"].append(NewFace(template(b"x", NEW), id="0" * 32))
        gallery._write(None, lambda c: how(Writing(c), new), lambda _: [])
        with gallery._store.read() as connection:
            form = collections_table.c.role == "next"
            wanted = (persons_table.c.id, persons_table.c.name, persons_table.c.metadata)
            query = (
                select(*wanted, persons_table.c.faces, persons_table.c.template)
                .join(collections_table)
                .where(form)
                .order_by(persons_table.c.id)
            )
            found = [tuple(row) for row in connection.execute(query)]
        (counts,) = [(one.persons, one.faces) for one in gallery.forms.siblings("people")]
        gallery.forms.discard("people", Role.NEXT)
        return [counts, *found]

    def each(writing: Writing, new: dict[str, list[NewFace]]) -> None:
        for person, faces in new.items():
            writing.bring("people", Role.NEXT, person, faces, NEW)

    alone = brought(each)
    assert alone[0] == (4, 4)
    assert brought(lambda writing, new: writing.bring_many("people", Role.NEXT, new, NEW)) == alone


@BOTH_STORES
def test_who_is_enrolled_after_the_exchange_is_there_after_it_is_taken_back(gallery: Gallery) -> None:
    start(gallery, "ann")
    follow(gallery, "ann")
    assert gallery.forms.exchange("people", Role.NEXT, embed_as(NEW))
    enrol(gallery, "late", b"late", NEW)
    assert gallery.forms.exchange("people", Role.PREVIOUS, embed_as(OLD))
    assert found(gallery, b"late", OLD) == ["late"]


@BOTH_STORES
def test_an_exchange_waits_for_what_changed_unless_it_is_little(gallery: Gallery) -> None:
    start(gallery, "ann")
    follow(gallery, "ann")
    for at in range(5):
        enrol(gallery, f"p{at}", bytes([at]))
    assert not gallery.forms.exchange("people", Role.NEXT, embed_as(NEW), at_most=4)
    assert gallery.collection("people").contract_id == OLD
    assert gallery.forms.exchange("people", Role.NEXT, embed_as(NEW), at_most=5)
    assert found(gallery, bytes([3]), NEW) == ["p3"]


@BOTH_STORES
def test_a_form_that_never_held_everybody_is_not_made_the_live_one(gallery: Gallery) -> None:
    start(gallery, "ann")
    gallery.forms.begin("people", NEW, SIZE[NEW])
    with pytest.raises(FormConflict, match="does not hold everybody"):
        gallery.forms.exchange("people", Role.NEXT, embed_as(NEW))


@BOTH_STORES
def test_a_face_that_cannot_be_embedded_keeps_the_forms_from_being_exchanged(gallery: Gallery) -> None:
    start(gallery, "ann")
    follow(gallery, "ann")
    enrol(gallery, "bob", b"bob")
    assert not gallery.forms.exchange("people", Role.NEXT, lambda _: {})
    assert gallery.collection("people").contract_id == OLD
    _, lacks = gallery.forms.touched("people", Role.NEXT)
    assert [one.person_id for one in lacks] == ["bob"]


@BOTH_STORES
def test_a_forgotten_person_is_in_no_form(gallery: Gallery) -> None:
    start(gallery, "ann", "bob", "cat")
    follow(gallery, "ann", "bob", "cat")
    gallery.delete_person("people", "bob")
    gallery.delete_face("people", "cat", gallery.faces("people", "cat")[0].id)
    (form,) = gallery.forms.siblings("people")
    assert (form.role, form.persons, form.faces) == (Role.NEXT, 2, 1)
    assert gallery.forms.exchange("people", Role.NEXT, embed_as(NEW))
    assert found(gallery, b"bob", NEW) == found(gallery, b"cat", NEW) == []
    assert found(gallery, b"ann", NEW) == ["ann"]


@BOTH_STORES
def test_two_next_forms_are_refused_and_one_can_be_discarded(gallery: Gallery) -> None:
    start(gallery, "ann")
    gallery.forms.begin("people", NEW, SIZE[NEW])
    gallery.forms.begin("people", NEW, SIZE[NEW])
    with pytest.raises(FormConflict, match="has a next form already"):
        gallery.forms.begin("people", "other", 4)
    with pytest.raises(FormConflict, match="has contract"):
        gallery.forms.begin("people", OLD, SIZE[OLD])
    gallery.forms.discard("people", Role.NEXT)
    assert gallery.forms.siblings("people") == []
    with pytest.raises(UnknownForm):
        gallery.forms.discard("people", Role.PREVIOUS)
    with pytest.raises(FormConflict):
        gallery.forms.discard("people", Role.LIVE)


@BOTH_STORES
def test_a_deleted_collection_leaves_no_form_behind(gallery: Gallery) -> None:
    start(gallery, "ann")
    follow(gallery, "ann")
    gallery.delete_collection("people", force=True)
    gallery.create_collection(NewCollection("people", NEW, SIZE[NEW]))
    assert gallery.forms.siblings("people") == []
    assert gallery._keys() == [3]


@BOTH_STORES
def test_other_forms_are_neither_listed_nor_counted(gallery: Gallery) -> None:
    start(gallery, "ann")
    gallery.forms.begin("people", NEW, SIZE[NEW])
    assert [one.contract_id for one in gallery.collections()] == [OLD]
    assert len(gallery.readiness()) == len(gallery.stats()) == 1


STEPS = st.lists(
    st.tuples(st.sampled_from(["enrol", "face", "person", "merge", "rename", "bring"]), st.integers(0, 3)),
    max_size=25,
)


@settings(max_examples=25, deadline=None)
@given(STEPS)
def test_whatever_happens_meanwhile_the_exchanged_form_holds_what_the_live_one_held(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    folder = tmp_path_factory.mktemp("forms")
    with Gallery.open(GallerySettings(path=folder, background=False)) as gallery:
        start(gallery, "p0", "p1")
        follow(gallery, "p0", "p1")
        for at, (step, which) in enumerate(steps):
            happen(gallery, step, f"p{which}", at)
        before = contents(gallery)
        revision, lacks = gallery.forms.touched("people", Role.NEXT)
        # Comparing all finds whom the change log tells of.
        _, differing = gallery.forms.differing("people", Role.NEXT, NEW)
        assert differing == {
            one.person_id: [face.id for face in one.faces] for one in lacks if one.person_id in before
        }
        bring(gallery, Role.NEXT, NEW, [one.person_id for one in lacks])
        gallery.forms.in_step("people", Role.NEXT, revision)
        assert gallery.forms.exchange("people", Role.NEXT, embed_as(NEW), at_most=0)
        assert contents(gallery) == before
        live = gallery.collection("people")
        assert (live.persons, live.faces) == (len(before), sum(len(faces) for _, faces in before.values()))


def happen(gallery: Gallery, step: str, person: str, at: int) -> None:
    there = contents(gallery)
    if step == "enrol":
        enrol(gallery, person, bytes([at]))
    elif person not in there:
        return
    elif step == "face" and there[person][1]:
        gallery.delete_face("people", person, there[person][1][0])
    elif step == "person":
        gallery.delete_person("people", person)
    elif step == "merge" and len(there) > 1:
        gallery.merge_persons("people", next(one for one in there if one != person), person)
    elif step == "rename":
        gallery.update_person("people", person, name=f"name {at}")
    elif step == "bring":
        bring(gallery, Role.NEXT, NEW, [person])
