"""The strongest pairs, kept by blocks, against a double loop; people drawn anew; lowest cosines that are borne."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from evaluation.all_pairs.impostors import count_all_pairs
from evaluation.all_pairs.strongest import lowest_for, strongest_pairs
from evaluation.resampling import drawn_people_pairs, interval_of, people_draws


def unit_rows(count: int, dimension: int, seed: int) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@given(st.integers(2, 20), st.integers(2, 6), st.integers(1, 7), st.floats(-1, 1), st.integers(0, 10_000))
@settings(max_examples=50, deadline=None)
def test_blocks_keep_the_pairs_that_a_double_loop_keeps(
    count: int, people: int, block: int, lowest: float, seed: int
) -> None:
    rows = unit_rows(count, 4, seed)
    names = [f"p{n}" for n in np.random.default_rng(seed).integers(0, people, count)]
    if len(set(names)) < 2:
        names[0] = "someone else"
    kept = strongest_pairs(rows, names, lowest, block=block)
    numbers = {name: at for at, name in enumerate(sorted(set(names)))}
    expected = {}
    for i in range(count):
        for j in range(i + 1, count):
            cosine = float(rows[i] @ rows[j])
            if names[i] != names[j] and cosine >= lowest + 1e-6:
                expected[i, j] = 1 / (names.count(names[i]) * names.count(names[j]))
    found = dict(zip(zip(kept.left.tolist(), kept.right.tolist(), strict=True), kept.votes, strict=True))
    assert expected.items() <= found.items()
    for (i, j), cosine in zip(found, kept.cosines, strict=True):
        assert float(rows[i] @ rows[j]) == pytest.approx(cosine, abs=1e-6)
        assert cosine >= lowest - 1e-6
    assert kept.left_person.tolist() == [numbers[names[i]] for i in kept.left]
    assert kept.right_person.tolist() == [numbers[names[j]] for j in kept.right]
    assert (np.diff(kept.cosines) <= 0).all()
    assert kept.people_pairs == len(numbers) * (len(numbers) - 1) // 2
    if lowest <= -1:
        assert kept.votes.sum() == pytest.approx(kept.people_pairs)


def test_equal_rows_are_pairs_of_cosine_one_and_one_person_is_refused() -> None:
    rows = np.tile(np.array([[0.6, 0.8]], np.float32), (4, 1))
    kept = strongest_pairs(rows, ["a", "a", "b", "c"], 0.99)
    assert kept.cosines == pytest.approx(np.ones(5))
    assert kept.votes.sum() == pytest.approx(3)
    with pytest.raises(ValueError, match="at least two people; there is 1"):
        strongest_pairs(rows, ["a"] * 4, 0.5)
    with pytest.raises(ValueError, match="at least two people; there is 0"):
        strongest_pairs(np.empty((0, 2)), [], 0.5)


def test_what_is_not_a_number_or_has_no_name_is_refused() -> None:
    rows = unit_rows(3, 2, 0)
    with pytest.raises(ValueError, match="do not go with 2 names"):
        strongest_pairs(rows, ["a", "b"], 0.5)
    rows[1, 0] = np.nan
    with pytest.raises(ValueError, match="row 1 is not finite"):
        strongest_pairs(rows, list("abc"), 0.5)


def test_passing_counts_ties_and_refuses_cosines_below_those_kept() -> None:
    rows = np.array([[1, 0], [0.6, 0.8], [0.6, 0.8], [-1, 0]], np.float32)
    kept = strongest_pairs(rows, list("abcd"), 0.0)
    assert kept.cosines == pytest.approx([1.0, 0.6, 0.6])
    assert kept.passing(float(kept.cosines[1])) == 3
    assert kept.passing(0.7) == 1
    assert kept.passing(1.01) == 0
    with pytest.raises(ValueError, match=r"down to a cosine of 0\.0000, not to -0\.1000"):
        kept.passing(-0.1)


def test_a_draw_weighs_a_pair_by_the_product_of_its_people() -> None:
    kept = strongest_pairs(unit_rows(6, 3, 1), ["a", "b", "b", "c", "c", "c"], -1)
    drawn = np.array([2, 1, 0])
    votes = kept.votes_of(drawn)
    assert votes.sum() == pytest.approx(2)  # a twice with b once; c is not there
    assert drawn_people_pairs(drawn) == 2
    assert kept.votes_of().sum() == pytest.approx(3) == drawn_people_pairs(np.ones(3))
    assert drawn_people_pairs(np.array([3, 0, 0])) == 0


def test_draws_are_of_so_many_people_and_the_same_for_a_seed() -> None:
    first, again, other = (list(people_draws(7, 20, seed)) for seed in (1, 1, 2))
    assert all(drawn.sum() == 7 and drawn.size == 7 for drawn in first)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@given(st.integers(0, 10_000), st.sampled_from([1e-3, 1e-2, 0.1, 0.5, 1.0]))
@settings(max_examples=25, deadline=None)
def test_the_lowest_cosine_for_a_rate_keeps_that_rate_and_hardly_more(seed: int, fmr: float) -> None:
    rows, names = unit_rows(40, 5, seed), [f"p{n // 2}" for n in range(40)]
    pairs = count_all_pairs(rows, names)
    kept = strongest_pairs(rows, names, lowest_for(pairs, fmr))
    assert kept.votes.sum() / kept.people_pairs >= fmr - 1e-6
    fewer = strongest_pairs(rows, names, min(1.0, lowest_for(pairs, fmr) + 1.01e-4))
    assert fewer.votes.sum() / fewer.people_pairs < fmr + 1e-6
    few = strongest_pairs(rows, names, lowest_for(pairs, fmr, most=30))
    assert few.cosines.size <= 31  # one may lie on an edge


def test_an_interval_leaves_out_a_fortieth_at_either_end_and_what_is_not_a_number() -> None:
    interval = interval_of([float("nan"), *range(1001)])
    assert (interval.low, interval.high) == (25, 975)
    assert np.isnan(interval_of([]).low)
    assert np.isnan(interval_of([float("nan")]).high)
