"""Counting distractors in one pass, against ranking every pair among every subset one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.identification import distractors
from evaluation.identification.distractors import count_stronger, mate_pairs, nested_sizes, searches_among
from evaluation.identification.open_set import fnir_at, fpir_at, rank_rate
from index.template import Float32


def unit(rows: np.ndarray) -> Float32:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def coarse(count: int, rng: np.random.Generator) -> Float32:
    """Rows of four halves with signs: unit to the last bit, and their few cosines are exact, so ties are many."""
    rows = np.zeros((count, 6), np.float32)
    for row in rows:
        row[rng.permutation(6)[:4]] = rng.choice([-0.5, 0.5], 4)
    return rows


@given(st.data(), st.integers(2, 9), st.integers(1, 4), st.integers(1, 30), st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_one_pass_ranks_every_pair_in_every_subset_as_a_loop_does(
    data: st.DataObject, photos: int, people: int, total: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    rows, others = coarse(photos, rng), coarse(total, rng)
    persons = rng.integers(0, people, photos)
    if np.bincount(persons).max() < 2:
        persons[:2] = 0
    sizes = sorted({*data.draw(st.lists(st.integers(1, total), max_size=3)), total})
    seeds = data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=3, unique=True))
    cuts = sorted(data.draw(st.lists(st.integers(0, total), max_size=3)))
    pairs = mate_pairs(rows, persons)
    counted = count_stronger(rows, pairs, np.split(others, cuts), sizes, seeds)

    expected = [(i, j) for i in range(photos) for j in range(photos) if i != j and persons[i] == persons[j]]
    assert list(zip(pairs.probe.tolist(), pairs.mate.tolist(), strict=True)) == expected
    for s, one in enumerate(seeds):
        order = np.argsort(np.random.default_rng(one).permutation(total))
        for t, size in enumerate(sizes):
            scores = rows.astype(float) @ others[order[:size]].astype(float).T
            assert counted.strongest[s, t] == pytest.approx(scores.max(axis=1))
            before = [
                int(np.sum(scores[i] >= rows[i].astype(float) @ rows[j].astype(float))) for i, j in expected
            ]
            assert counted.stronger[s, t].tolist() == before
            found = searches_among(pairs, counted, s, t)
            for rank in (1, 5, 10):
                assert rank_rate(found, rank) == pytest.approx(np.mean([count < rank for count in before]))
            assert fpir_at(found, 0.5) == pytest.approx(np.mean(scores.max(axis=1) >= 0.5))
            right = [
                count == 0 and rows[i] @ rows[j] >= 0.5
                for count, (i, j) in zip(before, expected, strict=True)
            ]
            assert fnir_at(found, 0.5) == pytest.approx(1 - np.mean(right))


def test_blocks_larger_than_the_portions_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    rows, others = unit(rng.normal(size=(23, 16))), unit(rng.normal(size=(101, 16)))
    pairs = mate_pairs(rows, np.arange(23) // 3)
    whole = count_stronger(rows, pairs, [others], (10, 50, 101), (0, 1))
    monkeypatch.setattr(distractors, "ROWS_AT_ONCE", 7)
    monkeypatch.setattr(distractors, "PROBES_AT_ONCE", 4)
    done: list[int] = []
    parts = count_stronger(
        rows, pairs, [others[:60], others[60:]], (10, 50, 101), (0, 1), progress=done.append
    )
    assert parts.stronger.tolist() == whole.stronger.tolist()
    assert parts.strongest == pytest.approx(whole.strongest, abs=1e-6)
    assert sum(done) == 101
    assert (np.diff(whole.stronger, axis=1) >= 0).all()
    assert (whole.stronger[0, -1] == whole.stronger[1, -1]).all()
    assert (whole.stronger[0, 0] != whole.stronger[1, 0]).any()


@pytest.mark.parametrize("dimension", [7, 128, 515])
def test_a_distractor_that_is_the_mates_own_photo_stands_before_it(dimension: int) -> None:
    """Sums in another order differ in their last bits; that must not decide who is first."""
    rng = np.random.default_rng(dimension)
    rows = unit(rng.normal(size=(60, dimension)))
    pairs = mate_pairs(rows, np.arange(60) // 2)
    counted = count_stronger(rows, pairs, [rows[::-1].copy()], (60,))
    # Before each mate: its own copy, and the copy of the probe itself.
    assert (counted.stronger[0, 0] >= 2).all()
    assert rank_rate(searches_among(pairs, counted, 0, 0), 2) == 0.0


def test_sizes_are_powers_of_ten_and_all() -> None:
    assert nested_sizes(1) == (1,)
    assert nested_sizes(10) == (10,)
    assert nested_sizes(4037) == (10, 100, 1000, 4037)
    assert nested_sizes(1_000_000) == (10, 100, 1000, 10_000, 100_000, 1_000_000)
    with pytest.raises(ValueError, match="there is no distractor"):
        nested_sizes(0)


ROWS = unit(np.random.default_rng(2).normal(size=(4, 8)))
PAIRS = mate_pairs(ROWS, np.array([0, 0, 1, 2]))


@pytest.mark.parametrize(
    ("blocks", "sizes", "seeds", "message"),
    [
        ([ROWS], (5,), (0,), "there were 4 distractors; the largest subset holds 5"),
        ([ROWS, ROWS], (5,), (0,), "there are more distractors than the 5"),
        ([ROWS[:, :3]], (4,), (0,), "do not go with probes of dimension 8"),
        ([ROWS * np.array([[1], [1], [np.nan], [1]], np.float32)], (4,), (0,), "distractor 2 is not finite"),
        ([ROWS], (4, 2), (0,), "sizes of subsets rise from 1"),
        ([ROWS], (0, 4), (0,), "sizes of subsets rise from 1"),
        ([ROWS], (4,), (1, 1), "seeds are one or more, each once"),
    ],
)
def test_distractors_that_do_not_fit_are_refused(
    blocks: list[Float32], sizes: tuple[int, ...], seeds: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        count_stronger(ROWS, PAIRS, blocks, sizes, seeds)


def test_probes_without_mates_are_refused() -> None:
    with pytest.raises(ValueError, match="none of the 4 people has two photos"):
        mate_pairs(ROWS, np.arange(4))
    with pytest.raises(ValueError, match="do not go with persons"):
        mate_pairs(ROWS, np.arange(3))
    broken = ROWS.copy()
    broken[1, 1] = np.inf
    with pytest.raises(ValueError, match="row 1 is not finite"):
        mate_pairs(broken, np.zeros(4, int))
