"""The engine in a real Milvus keeps what every vector engine keeps, and what only one that is shared has to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from index.engine import milvus as milvus_module
from index.engine.milvus import MilvusEngine, Unproven
from index.engine.turn import TurnTaken
from index.errors import EngineUnavailable, StoreUnavailable
from index.records import Fusion, Precision
from index.template import unit_rows
from tests.index.engine_kit import Changing, assert_hits_are_brute_forces, nothing, rows_of, space_of
from tests.index.milvus_kit import History, engine_on
from tests.index.milvus_kit import milvus as milvus  # a fixture
from tests.milvus_server import MilvusServer

pytestmark = pytest.mark.slow

People = np.ndarray
New = Callable[..., MilvusEngine]
SPACE = space_of("exact", dimension=32)
PEOPLE = np.random.default_rng(1).standard_normal((300, 32))


@pytest.fixture
def new(milvus: MilvusServer, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[New]:
    """Makes engines of one history, each as another process would have it."""
    history = History(request.node.name)
    made: list[MilvusEngine] = []

    def make() -> MilvusEngine:
        made.append(engine_on(milvus, tmp_path, history))
        return made[-1]

    yield make
    made[0].drop(1)
    for engine in made:
        engine.close()


def filled(engine: MilvusEngine, count: int = 300) -> None:
    numbers = np.arange(1, count + 1)
    engine.rebuild(SPACE, [rows_of(SPACE, numbers, PEOPLE[:count])], 2)


def best(engine: MilvusEngine, people: People) -> list[list[int]]:
    """Who is found by each person's own vector."""
    return [hits.persons.tolist() for hits in engine.search(1, unit_rows(people, 32), 1, 0.99).hits]


def everybody(engine: MilvusEngine) -> list[int]:
    return sorted(engine.search(1, unit_rows(PEOPLE[:1], 32), 1000, -1.0).hits[0].persons.tolist())


@pytest.mark.parametrize("fusion", list(Fusion))
def test_answers_are_those_of_brute_force_through_changes(new: New, fusion: Fusion) -> None:
    rng = np.random.default_rng(5)
    space = space_of("exact", fusion, Precision.FLOAT16, dimension=32)
    engine = new()
    engine.rebuild(space, [], 2)
    people = Changing(space, rng, next_key=1)
    for revision in range(3, 10):
        persons = np.unique(rng.integers(1, 80, 30))
        engine.apply(space, persons, people.change(persons), revision)
    everything = people.everything()
    probes = unit_rows(rng.standard_normal((20, 32)), 32)
    assert engine.stats(1).rows == len(everything.keys)
    answer = engine.search(1, probes, 3, -1.0)
    assert answer.as_of == engine.revision(1) == 9
    assert_hits_are_brute_forces(everything, probes, answer.hits)


def test_a_change_applied_twice_counts_once(new: New) -> None:
    engine = new()
    filled(engine)
    changed = rows_of(SPACE, [5, 6], PEOPLE[[6, 5]])
    for revision in (3, 4):
        engine.apply(SPACE, np.array([5, 6]), changed, revision)
    assert engine.stats(1).rows == 300
    assert best(engine, PEOPLE[[5, 6]]) == [[6], [5]]


def test_who_was_deleted_stays_away_when_milvus_was_killed_and_nothing_is_made_anew(
    new: New, milvus: MilvusServer
) -> None:
    engine = new()
    filled(engine)
    gone = np.arange(1, 300, 2)
    engine.apply(SPACE, gone, nothing(SPACE), 3)
    assert everybody(engine) == list(range(2, 301, 2))
    name = engine._held[1].name
    milvus.kill()
    milvus.start()
    again = new()
    assert again.restore(SPACE) == (3, engine._token(3))
    assert again._held[1].name == name
    assert everybody(again) == everybody(engine) == list(range(2, 301, 2))


def test_another_process_takes_what_lies_there_and_writes_nothing(
    new: New, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = new(), new()
    filled(one)
    assert two.restore(SPACE) == (2, one._token(2))
    one.apply(SPACE, np.array([7]), nothing(SPACE), 3)
    monkeypatch.setattr(two._link, "upsert", lambda *_: pytest.fail("it was there already"))
    monkeypatch.setattr(two._link, "put_state", lambda *_: pytest.fail("it was there already"))
    two.apply(SPACE, np.array([7]), nothing(SPACE), 3)
    two.rebuild(SPACE, [], 3)
    assert two.revision(1) == 3
    assert everybody(two) == [n for n in range(1, 301) if n != 7]


def test_what_another_process_made_anew_is_found_under_its_new_name(new: New) -> None:
    one, two = new(), new()
    filled(one)
    assert two.restore(SPACE) is not None
    one.rebuild(SPACE, [rows_of(SPACE, [400], PEOPLE[:1])], 3)
    assert everybody(two) == [400]
    assert two.revision(1) == 3


def test_a_change_that_was_left_half_way_is_done_again_by_another(
    new: New, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = new(), new()
    filled(one, 10)
    assert two.restore(SPACE) is not None
    change = np.array([3, 11]), rows_of(SPACE, [11], PEOPLE[10:11])

    def died(*_: object) -> None:
        raise EngineUnavailable("made up")

    monkeypatch.setattr(one._link, "put_state", died)
    with pytest.raises(EngineUnavailable):
        one.apply(SPACE, *change, 3)
    assert one.revision(1) == 2
    two.apply(SPACE, *change, 3)
    assert two.stats(1).rows == 10
    assert everybody(two) == [1, 2, 4, 5, 6, 7, 8, 9, 10, 11]
    assert new().restore(SPACE) == (3, two._token(3))


@pytest.mark.parametrize("what", ["contract", "history", "a row is lost", "a row came back"])
def test_what_is_not_as_it_was_written_is_refused(
    new: New, milvus: MilvusServer, what: str, tmp_path: Path
) -> None:
    engine = new()
    filled(engine, 10)
    space, other = SPACE, new()
    if what == "contract":
        space = space_of("exact", dimension=32, contract="b")
    elif what == "history":
        other._token_of = lambda revision: engine._token(revision) if revision == 1 else "another"
    elif what == "a row is lost":
        engine._link.delete(engine._held[1].name, np.array([4]))
    else:
        engine._link.upsert(engine._held[1].name, rows_of(SPACE, [99], PEOPLE[:1]))
    assert other.restore(space) is None
    assert other.revision(1) is None
    other.rebuild(space, [rows_of(space, [1], PEOPLE[:1])], 2)
    assert everybody(other) == [1]


def test_a_row_that_is_lost_is_noticed_when_rows_are_counted(
    new: New, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = new()
    filled(engine, 10)
    monkeypatch.setattr(milvus_module, "CHECK_SECONDS", 0.0)
    engine.maintain(1)
    assert engine.revision(1) == 2
    engine._link.delete(engine._held[1].name, np.array([4]))
    engine.maintain(1)
    assert engine.revision(1) is None


def test_a_delete_that_did_nothing_is_noticed_at_once(new: New, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = new()
    filled(engine, 10)
    monkeypatch.setattr(engine._link, "delete", lambda *_: None)
    with pytest.raises(Unproven, match="1 of 0 changed rows"):
        engine.apply(SPACE, np.array([4]), nothing(SPACE), 3)
    assert engine.revision(1) is None
    engine.rebuild(SPACE, [rows_of(SPACE, [1], PEOPLE[:1])], 3)
    assert everybody(engine) == [1]


def test_who_lost_the_turn_while_writing_makes_the_collection_anew(
    new: New, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = new(), new()
    filled(one, 10)
    assert two.restore(SPACE) is not None

    def lost(self: object) -> None:
        raise StoreUnavailable("made up")

    with monkeypatch.context() as patch:
        patch.setattr("index.turns._Kept.confirm", lost)
        with pytest.raises(StoreUnavailable):
            one.apply(SPACE, np.array([4]), rows_of(SPACE, [4], PEOPLE[20:21]), 3)
    two.apply(SPACE, np.array([4]), nothing(SPACE), 3)
    one.rebuild(SPACE, [rows_of(SPACE, [1, 2], PEOPLE[:2])], 3)
    assert everybody(one) == everybody(two) == [1, 2]


def test_collections_that_are_gone_are_swept_and_newer_ones_stay(new: New) -> None:
    engine = new()
    for key in (1, 2, 3):
        space = space_of("exact", dimension=32)
        engine.rebuild(space.__class__(**{**vars(space), "key": key}), [], 2)
    engine.sweep({2})
    left = engine._link.names(engine._gallery())
    assert [name.rsplit("_", 1)[0] for name in sorted(left)] == [engine._alias(2), engine._alias(3)]
    for key in (2, 3):
        engine.drop(key)
    assert engine._link.names(engine._gallery()) == []


def test_a_turn_that_another_has_is_not_waited_for_when_rows_are_counted(
    new: New, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = new()
    filled(engine, 10)
    monkeypatch.setattr(milvus_module, "CHECK_SECONDS", 0.0)
    with engine._turns(engine._alias(1)):
        with pytest.raises(TurnTaken), engine._turns(engine._alias(1), wait=False):
            pass
        engine.maintain(1)
    assert engine.revision(1) == 2
