"""What every vector engine keeps, in one suite: exact, fast, and the GPU engine on a stand-in for the library."""

import numpy as np
import pytest

from benchmarks.facelike import FaceLike
from index.engine.held import Tuning
from index.engine.rows import Delta
from index.engine.search import search
from index.records import Fusion, Precision
from index.template import DTYPES, stored, unit_rows
from tests.index.engine_kit import (
    KINDS,
    Changing,
    assert_hits_are_brute_forces,
    brute,
    engine_of,
    filled,
    nothing,
    rows_of,
    space_of,
)


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def engine(kind, tmp_path):
    made = engine_of(kind, tmp_path)
    yield made
    made.close()


def test_what_was_written_is_found_by_the_next_search(kind, engine):
    space = space_of(kind)
    people = filled(engine, space)
    answer = engine.search(1, people.astype(np.float32), 1, 0.99)
    assert [hits.persons.tolist() for hits in answer.hits] == [[n] for n in range(600)]
    assert answer.as_of == engine.revision(1) == 7


@pytest.mark.parametrize("fusion", list(Fusion))
@pytest.mark.parametrize("precision", list(Precision))
def test_answers_are_those_of_brute_force_through_changes_and_upkeep(kind, engine, fusion, precision):
    rng = np.random.default_rng(5)
    space = space_of(kind, fusion, precision, dimension=32)
    engine.rebuild(space, [], 1)
    people = Changing(space, rng)
    for revision in range(2, 40):
        persons = np.unique(rng.integers(0, 300, 25))
        engine.apply(space, persons, people.change(persons), revision)
        if rng.random() < 0.4:
            engine.maintain(1)
    everything = people.everything()
    probes = unit_rows(rng.standard_normal((20, 32)), 32)
    assert engine.stats(1).rows == len(everything.keys)
    assert_hits_are_brute_forces(everything, probes, engine.search(1, probes, 3, -1.0).hits)


def test_a_change_applied_twice_counts_once(kind, engine):
    space = space_of(kind)
    people = filled(engine, space)
    for _ in range(2):
        engine.apply(space, np.arange(50), rows_of(space, np.arange(50), people[:50]), 9)
    assert engine.stats(1).rows == 600
    hits = engine.search(1, people[:1], 600, -1.0).hits[0]
    assert sorted(hits.persons.tolist()) == list(range(600))


def test_a_change_that_failed_half_way_shows_nothing_and_can_be_done_again(kind, engine, monkeypatch):
    space = space_of(kind)
    people = filled(engine, space)
    append = Delta.append

    def broken(self, new, end):
        append(self, new, end)
        raise MemoryError("made up")

    moved = rows_of(space, [3, 4], people[[5, 6]])
    monkeypatch.setattr(Delta, "append", broken)
    with pytest.raises(MemoryError):
        engine.apply(space, np.array([3, 4]), moved, 9)
    monkeypatch.undo()
    assert engine.search(1, people[3:4], 1, 0.9).hits[0].persons.tolist() == [3]
    assert engine.revision(1) == 7
    engine.apply(space, np.array([3, 4]), moved, 9)
    assert engine.search(1, people[3:4], 1, 0.9).hits[0].persons.tolist() == []
    assert engine.stats(1).rows == 600


def test_a_deleted_person_never_comes_back(kind, engine, tmp_path):
    space = space_of(kind)
    people = filled(engine, space)
    engine.apply(space, np.arange(0, 600, 2), nothing(space), 8)

    def found(searched):
        return {p for hits in searched.search(1, people, 3, -1.0).hits for p in hits.persons.tolist()}

    assert not {p for p in found(engine) if p % 2 == 0}
    engine.maintain(1)
    assert not {p for p in found(engine) if p % 2 == 0}
    assert engine.snapshot(1, lambda revision: "token")
    again = engine_of(kind, tmp_path)
    assert again.restore(space) == (8, "token")
    assert found(again) == set(range(1, 600, 2))
    again.close()


def test_a_deleted_persons_row_is_in_no_file_after_the_next_snapshot(kind, engine, tmp_path):
    space = space_of(kind)
    people = filled(engine, space)
    secret = stored(unit_rows(people[17:18], 64), Precision.FLOAT16).tobytes()

    def files():
        return b"".join(path.read_bytes() for path in tmp_path.rglob("*.segment"))

    assert engine.snapshot(1, lambda revision: "one")
    assert secret in files()
    engine.apply(space, np.array([17]), nothing(space), 8)
    assert engine.snapshot(1, lambda revision: "two")
    assert secret not in files()


def test_a_snapshot_of_a_foreign_contract_is_refused(kind, engine, tmp_path):
    space = space_of(kind)
    filled(engine, space)
    assert engine.snapshot(1, lambda revision: "token")
    other = engine_of(kind, tmp_path)
    assert other.restore(space_of(kind, contract="b")) is None
    assert other.revision(1) is None
    other.close()


def test_a_view_taken_before_a_change_still_answers_as_before(kind, engine):
    space = space_of(kind)
    people = filled(engine, space)
    before = engine._held[1].view
    engine.apply(space, np.arange(600), nothing(space), 8)
    engine.maintain(1)
    held = engine._held[1]
    hits = search(before, people[:5], 1, 0.9, 200, held._choose)
    assert [hit.persons.tolist() for hit in hits] == [[n] for n in range(5)]
    assert engine.search(1, people[:5], 3, -1.0).hits[0].persons.tolist() == []


def test_a_person_with_hundreds_of_samples_does_not_hide_the_next_one(kind, engine):
    space = space_of(kind, Fusion.SAMPLES)
    rng = np.random.default_rng(2)
    centre = rng.standard_normal(64)
    near = centre + 0.05 * rng.standard_normal((900, 64))
    others = np.stack([centre + 0.5 * rng.standard_normal(64) for _ in range(100)])
    engine.rebuild(
        space, [rows_of(space, [1] * 900 + list(range(2, 102)), np.vstack([near, others]), range(1000))], 1
    )
    engine.maintain(1)
    hits = engine.search(1, unit_rows(centre[None], 64), 3, -1.0).hits[0]
    expected = brute(
        rows_of(space, [1] * 900 + list(range(2, 102)), np.vstack([near, others])),
        unit_rows(centre[None], 64)[0],
        3,
    )
    assert hits.persons.tolist() == [person for person, _ in expected]


def test_exact_and_fast_agree_on_top_one_scores_and_open_set_error(tmp_path):
    """The gate of the short codes: agreement >= .999 where there is a mate, FNIR at FPIR 1 % as exact.

    Whose nearest stranger is found matters less, as long as he is as near: that is what sets thresholds.
    """
    dimension, count, probes = 128, 12_000, 1000
    made = FaceLike(dimension, 7)
    people = made.people(0, count)
    rows = made.photos(people, 0)
    mates = made.photos(people[:probes], 1)
    strangers = made.photos(made.people(1, probes), 2)
    answers = {}
    for kind in ("exact", "fast"):
        engine = engine_of(kind, tmp_path / kind, Tuning(fast_from=10_000))
        space = space_of(kind, dimension=dimension)
        engine.rebuild(space, [rows_of(space, np.arange(count), rows)], 1)
        assert engine.stats(1).engine == ("codes" if kind == "fast" else "exact")
        hits = engine.search(1, np.concatenate([mates, strangers]), 1, -1.0).hits
        answers[kind] = (
            np.array([hit.persons[0] for hit in hits]),
            np.array([hit.cosines[0] for hit in hits]),
        )
        engine.close()
    (exact_person, exact_score), (fast_person, fast_score) = answers["exact"], answers["fast"]
    same = exact_person == fast_person
    assert same[:probes].mean() >= 0.999
    assert np.array_equal(exact_score[same], fast_score[same])
    assert np.abs(exact_score - fast_score).max() < 0.03

    def fnir(person, score):
        threshold = np.quantile(score[probes:], 0.99)
        return 1 - np.mean((person[:probes] == np.arange(probes)) & (score[:probes] > threshold))

    assert fnir(fast_person, fast_score) <= fnir(exact_person, exact_score) + 0.001


def test_rows_keep_the_precision_of_their_collection(kind, engine):
    for precision in Precision:
        space = space_of(kind, precision=precision)
        filled(engine, space)
        engine.maintain(1)
        assert all(s.rows.dtype == DTYPES[precision] for s in engine._held[1].view.segments)
