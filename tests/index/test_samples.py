"""Samples one by one: found, listed, searched and moved as a plain list of them would be, on either store."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from index.errors import (
    ContractMismatch,
    InvalidRecord,
    ReplayedReceipt,
    UnknownCollection,
    UnknownPerson,
)
from index.gallery import Gallery
from index.records import Fusion, NewCollection, NewFace, NewPerson, Precision, Receipt, Role
from index.samples import SampleWriting
from index.store import forms
from index.unnamed import is_unnamed, unnamed_person
from tests.index.conftest import BOTH_STORES, CONTRACT, unit

D = 12
rng = np.random.default_rng(7)


def face_id(number: int) -> str:
    return f"{number:032x}"


def new_face(number: int) -> NewFace:
    return NewFace(unit(rng.normal(size=D)), 0.5, {"number": number}, id=face_id(number))


@pytest.fixture
def gallery(opened: Callable[..., Gallery]) -> Gallery:
    found = opened()
    found.create_collection(
        NewCollection("c", CONTRACT, D, fusion=Fusion.SAMPLES, precision=Precision.FLOAT32)
    )
    return found


def add(gallery: Gallery, *numbers: int, collection: str = "c") -> list[NewFace]:
    new = [new_face(number) for number in numbers]
    gallery.samples.change(lambda writing: writing.add_unnamed(collection, new, contract_id=CONTRACT))
    return new


def move(gallery: Gallery, owners: dict[int, str]) -> None:
    named = {face_id(number): person for number, person in owners.items()}
    gallery.samples.change(lambda writing: writing.move("c", named))


def owners(gallery: Gallery) -> dict[str, str]:
    with gallery.samples.reading() as reading:
        return {face.id: face.person_id for face in reading.page("c", None, 1000)}


def test_a_face_of_nobody_is_a_person_of_its_own_and_nobody_else_is_called_so() -> None:
    assert is_unnamed(unnamed_person(face_id(3)))
    assert not any(
        is_unnamed(id) for id in ("face:", "face:ann", "face:" + "A" * 32, "x" + unnamed_person("0" * 32))
    )


@BOTH_STORES
def test_what_is_enrolled_twice_under_one_id_stays_as_it_was(gallery: Gallery) -> None:
    (first,) = add(gallery, 1)
    again = gallery.samples.change(
        lambda writing: writing.add_unnamed("c", [new_face(1), new_face(2)], contract_id=CONTRACT)
    )
    assert [face.id for face in again] == [face_id(1), face_id(2)]
    assert gallery.collection("c").faces == gallery.collection("c").persons == 2
    with gallery.samples.reading() as reading:
        template = reading.template("c", face_id(1))
    assert template is not None
    np.testing.assert_allclose(template, first.embedding, atol=1e-6)


@BOTH_STORES
def test_faces_are_listed_by_id_page_by_page_whatever_other_collections_hold(gallery: Gallery) -> None:
    gallery.create_collection(NewCollection("other", CONTRACT, D, fusion=Fusion.SAMPLES))
    add(gallery, *range(0, 900, 3))
    add(gallery, *range(900), collection="other")
    found: list[str] = []
    with gallery.samples.reading() as reading:
        while page := reading.page("c", found[-1] if found else None, 7):
            assert len(page) == 7 or len(found) + len(page) == 300
            found += [face.id for face in page]
        some = reading.find("c", [face_id(3), face_id(4), "nonsense"])
    assert found == [face_id(number) for number in range(0, 900, 3)]
    assert {id: face.detail["number"] for id, face in some.items()} == {face_id(3): 3}


@BOTH_STORES
def test_any_sequence_of_moves_leaves_what_a_plain_table_would_hold(gallery: Gallery) -> None:
    chance = random.Random(5)
    faces = {new.id: new for new in add(gallery, *range(12))}
    table = {face_id(number): unnamed_person(face_id(number)) for number in range(12)}
    people = ("ann", "ben", "cid")
    for id in people:
        gallery.create_person("c", NewPerson(id))
    for _ in range(25):
        chosen = chance.sample(range(12), chance.randint(1, 5))
        moves = {number: chance.choice([*people, unnamed_person(face_id(number))]) for number in chosen}
        move(gallery, moves)
        table |= {face_id(number): person for number, person in moves.items()}
        assert owners(gallery) == table
        left = set(table.values()) | set(people)
        assert gallery.collection("c").persons == len(left)
        assert gallery.collection("c").faces == 12
        with gallery.samples.reading() as reading:
            assert [person.id for person in reading.named("c", None, 10)] == list(people)
            assert reading.count_named("c") == 3
            assert {person.id: person.faces for person in reading.named("c", None, 10)} == {
                id: list(table.values()).count(id) for id in people
            }
            for id in people:
                mine = [faces[face].embedding for face, owner in table.items() if owner == id]
                held = reading.templates("c", id)
                assert len(held) == len(mine)
                mean = reading.person_template("c", id)
                assert (mean is None) == (not mine)
                if mean is not None:
                    np.testing.assert_allclose(mean, unit(np.sum(mine, axis=0)), atol=1e-5)
    probe = unit(rng.normal(size=D))
    wanted = sorted(((float(face.embedding @ probe), id) for id, face in faces.items()), reverse=True)
    hits = gallery.samples.search("c", probe, contract_id=CONTRACT, limit=5)
    assert [hit.face.id for hit in hits] == [id for _, id in wanted[:5]]
    assert [hit.cosine for hit in hits] == pytest.approx([cosine for cosine, _ in wanted[:5]], abs=1e-5)
    assert [hit.face.person_id for hit in hits] == [table[id] for _, id in wanted[:5]]
    best = wanted[0][1]
    others = gallery.samples.search("c", probe, contract_id=CONTRACT, limit=5, without=best)
    assert [hit.face.id for hit in others] == [id for _, id in wanted[1:6]]
    near = gallery.samples.search("c", probe, contract_id=CONTRACT, limit=12, threshold=wanted[3][0] - 1e-4)
    assert len(near) == 4


def test_a_move_is_searchable_after_the_gallery_was_opened_again(opened: Callable[..., Gallery]) -> None:
    first = opened()
    first.create_collection(NewCollection("c", CONTRACT, D, fusion=Fusion.SAMPLES))
    new = add(first, 1, 2)
    first.create_person("c", NewPerson("ann"))
    move(first, {1: "ann"})
    first.close()
    (found,) = opened().identify("c", new[0].embedding[None], contract_id=CONTRACT, threshold=0.99)
    assert [candidate.person_id for candidate in found] == ["ann"]


def test_a_move_to_somebody_who_is_not_there_moves_nothing(gallery: Gallery) -> None:
    add(gallery, 1, 2)
    gallery.create_person("c", NewPerson("ann"))
    with pytest.raises(UnknownPerson):
        move(gallery, {1: "ann", 2: "nobody"})
    assert owners(gallery) == {face_id(number): unnamed_person(face_id(number)) for number in (1, 2)}


def test_a_move_happens_in_every_form_of_the_collection(gallery: Gallery) -> None:
    add(gallery, 1, 2)
    gallery.forms.begin("c", "contract-b", D)
    for number in (1, 2):
        new = NewFace(unit(rng.normal(size=D)), id=face_id(number))
        person = unnamed_person(face_id(number))
        gallery.samples.change(
            lambda writing, person=person, new=new: _bring(writing, person, new)  # type: ignore[misc]
        )
    gallery.create_person("c", NewPerson("ann", "Ann"))
    move(gallery, {1: "ann"})
    (sibling,) = gallery.forms.siblings("c")
    assert (sibling.role, sibling.persons, sibling.faces) == (Role.NEXT, 2, 2)
    lacking = gallery.forms.lacking(
        "c", Role.NEXT, ["ann", unnamed_person(face_id(1)), unnamed_person(face_id(2))]
    )
    assert [one.changed for one in lacking] == [False, False, False]
    gallery.samples.change(lambda writing: writing.remove_unnamed("c", [face_id(1), face_id(2)]))
    (sibling,) = gallery.forms.siblings("c")
    assert (sibling.persons, sibling.faces) == (1, 1)
    assert owners(gallery) == {face_id(1): "ann"}


def _bring(writing: SampleWriting, person: str, new: NewFace) -> None:
    forms.bring(writing._connection, "c", Role.NEXT, person, [new])


def test_only_faces_of_nobody_are_removed_as_such(gallery: Gallery) -> None:
    add(gallery, 1, 2, 3)
    gallery.create_person("c", NewPerson("ann"))
    move(gallery, {1: "ann"})
    gallery.samples.change(lambda writing: writing.remove_unnamed("c", [face_id(n) for n in (1, 2, 9)]))
    assert owners(gallery) == {face_id(1): "ann", face_id(3): unnamed_person(face_id(3))}
    assert (gallery.collection("c").persons, gallery.collection("c").faces) == (2, 2)


def test_a_change_that_raises_leaves_nothing_and_one_with_a_receipt_happens_once(gallery: Gallery) -> None:
    receipt = Receipt("me", "key", "digest", lambda made: str(made).encode())
    add(gallery, 1)

    def half(writing: SampleWriting) -> str:
        writing.create_person("c", NewPerson("ann"))
        writing.move("c", {face_id(1): "nobody"})
        return "done"

    with pytest.raises(UnknownPerson):
        gallery.samples.change(half, receipt)
    with pytest.raises(UnknownPerson):
        gallery.person("c", "ann")
    gallery.samples.change(lambda writing: writing.create_person("c", NewPerson("ann")).id, receipt)
    with pytest.raises(ReplayedReceipt) as replay:
        gallery.samples.change(lambda writing: writing.create_person("c", NewPerson("ann")).id, receipt)
    assert replay.value.answer == b"ann"


def test_a_search_is_refused_where_it_would_mean_something_else(gallery: Gallery) -> None:
    gallery.create_collection(NewCollection("means", CONTRACT, D))
    probe = np.ones(D)
    with pytest.raises(InvalidRecord, match="fusion=mean"):
        gallery.samples.search("means", probe, contract_id=CONTRACT, limit=1)
    with pytest.raises(ContractMismatch):
        gallery.samples.search("c", probe, contract_id="other", limit=1)
    with pytest.raises(UnknownCollection):
        gallery.samples.search("none", probe, contract_id=CONTRACT, limit=1)
    with pytest.raises(InvalidRecord, match="at least 1"):
        gallery.samples.search("c", probe, contract_id=CONTRACT, limit=0)


def test_whoever_comes_next_is_found_when_the_best_is_deleted_during_the_search(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    best, following = (NewFace(unit(np.eye(D)[0] + np.eye(D)[n] * n / 9), id=face_id(n)) for n in (1, 2))
    gallery.samples.change(lambda writing: writing.add_unnamed("c", [best, following], contract_id=CONTRACT))
    search = gallery._engine.search

    def search_then_delete(*asked: object) -> object:
        answer = search(*asked)  # type: ignore[arg-type]
        gallery.samples.change(lambda writing: writing.remove_unnamed("c", [face_id(1)]))
        return answer

    monkeypatch.setattr(gallery._engine, "search", search_then_delete)
    (hit,) = gallery.samples.search("c", np.eye(D)[0], contract_id=CONTRACT, limit=1)
    assert hit.face.id == face_id(2)


@BOTH_STORES
def test_no_face_is_missed_while_faces_go_from_one_person_to_another(gallery: Gallery) -> None:
    probe = unit(np.ones(D))
    near = [NewFace(unit(probe + rng.normal(scale=0.02, size=D)), id=face_id(number)) for number in range(6)]
    gallery.samples.change(lambda writing: writing.add_unnamed("c", near, contract_id=CONTRACT))
    add(gallery, *range(100, 130))
    for id in ("ann", "ben"):
        gallery.create_person("c", NewPerson(id))
    done = threading.Event()

    def shuffle() -> int:
        chance, moves = random.Random(3), 0
        while not done.is_set():
            number = chance.randrange(6)
            move(gallery, {number: chance.choice(["ann", "ben", unnamed_person(face_id(number))])})
            moves += 1
        return moves

    with ThreadPoolExecutor(1) as pool:
        moving = pool.submit(shuffle)
        try:
            for _ in range(60):
                hits = gallery.samples.search("c", probe, contract_id=CONTRACT, limit=6)
                assert {hit.face.id for hit in hits} == {new.id for new in near}
        finally:
            done.set()
        assert moving.result(timeout=30) > 0
