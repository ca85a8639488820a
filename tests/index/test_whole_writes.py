"""Answers of an engine that others change at the same time: as if the store had been asked at one moment."""

from dataclasses import replace

import numpy as np
import pytest

from index.engine.faiss_cpu import FaissCpuEngine
from index.errors import EngineBehind
from index.records import NewCollection, NewFace, NewPerson

VECTORS = np.random.default_rng(8).standard_normal((6, 32))


@pytest.fixture
def gallery(opened, monkeypatch):
    """One whose engine says that it is shared, with a person for each of the first four vectors."""
    own = FaissCpuEngine.capabilities.fget
    monkeypatch.setattr(
        FaissCpuEngine, "capabilities", property(lambda self: replace(own(self), shared=True))
    )
    made = opened()
    made.create_collection(NewCollection("c", "a", 32))
    enrol(made, range(4))
    return made


def enrol(gallery, numbers):
    items = [(f"p{n}", NewFace(VECTORS[n])) for n in numbers]
    list(gallery.enroll_templates("c", items, contract_id="a"))


def meanwhile(gallery, monkeypatch, change):
    """Does a change once, after the engine has found what it found and before that is read."""
    search, left = gallery._engine.search, [change]

    def searched(*asked):
        answer = search(*asked)
        while left:
            left.pop()()
        return answer

    monkeypatch.setattr(gallery._engine, "search", searched)


def found(gallery, n, limit=9):
    hits = gallery.identify("c", VECTORS[n][None], contract_id="a", limit=limit, threshold=0.9)
    return [hit.person_id for hit in hits[0]]


def test_who_was_added_and_who_was_merged_meanwhile_stand_where_the_store_has_them(gallery, monkeypatch):
    meanwhile(gallery, monkeypatch, lambda: enrol(gallery, [4]))
    assert found(gallery, 4) == ["p4"]
    monkeypatch.undo()


def test_a_merge_that_happens_meanwhile_is_seen_as_a_whole(gallery, monkeypatch):
    gallery.create_person("c", NewPerson("other"))
    gallery.add_faces("c", "other", [NewFace(VECTORS[0])], contract_id="a")
    assert found(gallery, 0) == ["p0", "other"]
    meanwhile(gallery, monkeypatch, lambda: gallery.merge_persons("c", "other", "p0"))
    assert found(gallery, 0) == ["other"]


def test_where_somebody_falls_out_of_a_full_answer_it_is_searched_again(gallery, monkeypatch):
    gallery.create_person("c", NewPerson("other"))
    gallery.add_faces("c", "other", [NewFace(VECTORS[0] + 0.1 * VECTORS[1])], contract_id="a")
    meanwhile(gallery, monkeypatch, lambda: gallery.delete_person("c", "p0"))
    assert found(gallery, 0, limit=1) == ["other"]


def test_somebody_whom_the_store_never_changed_and_does_not_have_makes_the_engine_doubtful(gallery):
    key = next(iter(gallery._engine._held))
    held = gallery._engine._held[key]
    gallery.delete_person("c", "p0")
    # The engine is as it was before the deletion, and says that it is not.
    ghost = held.view
    gallery._engine._held[key].view = replace(ghost, revision=ghost.revision + 1, at=ghost.at - 1)
    with pytest.raises(EngineBehind, match="somebody who is not there"):
        found(gallery, 0)
    gallery.maintain()
    assert found(gallery, 0) == []
    assert found(gallery, 1) == ["p1"]
