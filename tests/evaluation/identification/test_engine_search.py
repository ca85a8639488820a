"""The engine's search beside every comparison: equal where it is exact, and counted where it is not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.identification.candidate_lists import NOBODY, searches_of
from evaluation.identification.engine_search import engine_search, exact_search, same_best, templates
from evaluation.identification.open_set import rank_rate
from index.engine.held import Tuning
from index.records import Fusion, Precision, Search
from index.template import Float32


def unit(rows: np.ndarray) -> Float32:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def drawn(count: int, dimension: int, seed: int) -> Float32:
    return unit(np.random.default_rng(seed).normal(size=(count, dimension)))


@given(
    st.integers(0, 14),
    st.integers(1, 5),
    st.sampled_from(list(Fusion)),
    st.integers(1, 8),
    st.integers(0, 10_000),
)
@settings(max_examples=60, deadline=None)
def test_every_comparison_finds_what_a_double_loop_finds(
    photos: int, people: int, fusion: Fusion, limit: int, seed: int
) -> None:
    """Rows of few directions, so that people tie; a person's cosine is the best of their rows."""
    rng = np.random.default_rng(seed)
    rows = np.eye(6, dtype=np.float32)[rng.integers(0, 6, photos)].reshape(photos, 6)
    gallery = templates(rows, rng.integers(0, people, photos), fusion)
    probes = unit(rng.integers(-1, 2, (4, 6)) + np.eye(4, 6) * 0.5)
    truth = rng.integers(0, people + 1, 4)
    lists = exact_search(gallery, probes, limit=limit)
    found = searches_of(lists, truth, gallery.enrolled)
    for probe, person in enumerate(truth):
        best: dict[int, float] = {}
        for row, owner in zip(gallery.rows, gallery.people.tolist(), strict=True):
            best[owner] = max(float(probes[probe] @ row), best.get(owner, -2.0))
        mate = best.pop(int(person), None)
        assert found.mated[probe] == (mate is not None)
        everybody = sorted([*best.values()] + ([] if mate is None else [mate]), reverse=True)
        listed = lists.cosines[probe][lists.people[probe] != NOBODY]
        assert sorted(listed, reverse=True) == pytest.approx(everybody[:limit], abs=1e-6)
        if mate is not None and found.rank[probe] and lists.whole:
            assert found.rank[probe] == 1 + sum(cosine >= mate - 1e-7 for cosine in best.values())


@pytest.mark.parametrize("dimension", [5, 128, 131])
def test_one_template_under_two_names_is_a_tie_in_both_searches(dimension: int) -> None:
    rows = drawn(40, dimension, 3)
    gallery = templates(np.concatenate([rows, rows]), np.arange(80))
    probes = unit(rows + 0.2 * drawn(40, dimension, 4))
    lists = [exact_search(gallery, probes), engine_search(gallery, probes, Search.EXACT).lists]
    for found in (searches_of(one, np.arange(40), gallery.enrolled) for one in lists):
        assert (found.rank == 2).all()
        assert rank_rate(found, 1) == 0.0


@pytest.mark.parametrize("fusion", list(Fusion))
def test_an_exact_engine_gives_the_candidates_of_every_comparison(fusion: Fusion) -> None:
    people = np.random.default_rng(1).integers(0, 60, 200)
    gallery = templates(drawn(200, 32, 1), people, fusion)
    probes = drawn(30, 32, 2)
    exact = exact_search(gallery, probes, limit=10)
    found = engine_search(gallery, probes, Search.EXACT, precision=Precision.FLOAT32, limit=10)
    assert found.engine == "exact"
    assert found.lists.people.tolist() == exact.people.tolist()
    assert found.lists.cosines == pytest.approx(exact.cosines, abs=1e-6)
    halves = engine_search(gallery, probes, Search.EXACT, limit=10)
    assert halves.lists.cosines == pytest.approx(exact.cosines, abs=1e-3)


def test_codes_that_hand_on_too_little_show_in_the_figures() -> None:
    """The measurement itself: with few candidates from the codes the engine must fall behind, with many it must not."""
    gallery = templates(drawn(10_000, 256, 5), np.arange(10_000))
    probes = drawn(100, 256, 6)
    exact = exact_search(gallery, probes, limit=1)
    agreement = [
        same_best(
            engine_search(gallery, probes, Search.FAST, limit=1, tuning=Tuning(candidates=n)).lists, exact
        )
        for n in (1, 1500)
    ]
    assert agreement[0] < 0.9
    assert agreement[1] > 0.98
    assert engine_search(gallery, probes[:1], Search.FAST).engine == "codes"


def test_a_small_gallery_is_scanned_exactly_and_says_so() -> None:
    gallery = templates(drawn(20, 16, 7), np.arange(20))
    found = engine_search(gallery, drawn(3, 16, 8), Search.FAST)
    assert found.engine == "exact"
    assert found.lists.whole
    assert (found.lists.people[:, 20:] == NOBODY).all()


def test_an_empty_gallery_answers_with_nobody() -> None:
    gallery = templates(np.empty((0, 16), np.float32), np.empty(0, np.int64))
    probes = drawn(3, 16, 9)
    for lists in (exact_search(gallery, probes), engine_search(gallery, probes, Search.EXACT).lists):
        found = searches_of(lists, np.arange(3), gallery.enrolled)
        assert not found.mated.any()
        assert (found.other == -np.inf).all()


def test_several_photos_become_one_mean_of_unit_length() -> None:
    rows = drawn(3, 8, 10)
    made = templates(rows, np.array([4, 1, 4]))
    assert made.people.tolist() == [1, 4]
    assert made.rows[0] == pytest.approx(rows[1])
    assert made.rows[1] == pytest.approx(unit(rows[[0, 2]].mean(axis=0)[None])[0], abs=1e-6)


def test_rows_and_persons_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="do not go with persons"):
        templates(drawn(3, 8, 1), np.arange(2))
    with pytest.raises(ValueError, match="a row belongs to person -1"):
        templates(drawn(2, 8, 1), np.array([0, -1]))
