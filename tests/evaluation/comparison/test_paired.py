"""Whether one pack is better than another by more than chance: tests against exact sums, scipy and literal draws."""

from __future__ import annotations

from fractions import Fraction
from math import comb
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from evaluation.all_pairs.genuine import genuine_pairs
from evaluation.all_pairs.strongest import strongest_pairs
from evaluation.comparison.compare_run import compare_people, listed_scores
from evaluation.comparison.paired import (
    Difference,
    PackScores,
    accuracy_difference,
    mcnemar,
    sentence,
    tar_at,
    tar_difference,
)
from evaluation.datasets.images import Images
from evaluation.datasets.pairs import Pair
from evaluation.datasets.people_folder import open_people
from evaluation.embedding.pipeline import EmbeddedSet
from evaluation.resampling import Interval
from evaluation.verification.measures import roc, tar_at_far


def judged(only_a: int, only_b: int, both: int = 3, neither: int = 2) -> tuple[NDArray[np.bool_], ...]:
    a = [True] * only_a + [False] * only_b + [True] * both + [False] * neither
    b = [False] * only_a + [True] * only_b + [True] * both + [False] * neither
    return np.array(a), np.array(b)


@given(st.integers(0, 60), st.integers(0, 60))
@settings(max_examples=80)
def test_mcnemar_is_the_exact_binomial_sum(only_a: int, only_b: int) -> None:
    test = mcnemar(*judged(only_a, only_b))
    total, few = only_a + only_b, min(only_a, only_b)
    exact = min(Fraction(1), Fraction(2 * sum(comb(total, k) for k in range(few + 1)), 2**total))
    assert test.p == pytest.approx(float(exact), rel=1e-9)
    assert (test.only_a, test.only_b, test.both, test.neither) == (only_a, only_b, 3, 2)
    assert mcnemar(*reversed(judged(only_a, only_b))).p == test.p


@pytest.mark.parametrize(("only_a", "only_b"), [(0, 5), (9, 22), (4800, 5200), (1, 900)])
def test_mcnemar_is_that_of_scipy_for_few_and_for_thousands(only_a: int, only_b: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    expected = stats.binomtest(only_a, only_a + only_b, 0.5).pvalue
    assert mcnemar(*judged(only_a, only_b)).p == pytest.approx(expected, rel=1e-7)


def test_packs_that_judge_alike_are_not_told_apart() -> None:
    right = np.array([True, False, True])
    assert mcnemar(right, right).p == 1
    with pytest.raises(ValueError, match="two bool arrays of one length above 0"):
        mcnemar(np.array([], bool), np.array([], bool))
    with pytest.raises(ValueError, match="two bool arrays"):
        mcnemar(right, right[:2])
    with pytest.raises(ValueError, match="float64"):
        mcnemar(np.array([0.0, np.nan, 1.0]), right)


def some_pairs(count: int, people: int, seed: int) -> tuple[list[Pair], NDArray[np.float64]]:
    """Pairs with rounded cosines, so that many are tied; genuine ones higher on average."""
    rng = np.random.default_rng(seed)
    pairs = []
    for at in range(count):
        same = at % 2 == 0
        left = int(rng.integers(people))
        right = left if same else (left + int(rng.integers(1, people))) % people
        pairs.append(Pair(f"{left:02d}/1.jpg", f"{right:02d}/2.jpg", same, at % 3))
    cosines = np.round(rng.normal([0.5 if pair.same else 0.2 for pair in pairs], 0.15), 1)
    return pairs, cosines


@given(st.integers(4, 80), st.integers(0, 10_000), st.sampled_from([0.01, 0.1, 0.25, 0.5, 0.9]))
@settings(max_examples=80)
def test_tar_of_listed_pairs_is_that_of_the_roc_with_all_their_ties(
    count: int, seed: int, far: float
) -> None:
    pairs, cosines = some_pairs(count, 6, seed)
    same = np.array([pair.same for pair in pairs])
    expected = tar_at_far(roc(cosines, same), far).tar
    assert tar_at(listed_scores(pairs, cosines), far) == pytest.approx(expected)


@given(st.integers(6, 40), st.integers(0, 10_000), st.sampled_from([0.1, 0.3]))
@settings(max_examples=40)
def test_tar_of_a_draw_is_that_of_the_pairs_repeated(count: int, seed: int, far: float) -> None:
    pairs, cosines = some_pairs(count, 5, seed)
    scores = listed_scores(pairs, cosines)
    people = sorted({name.split("/")[0] for pair in pairs for name in (pair.left, pair.right)})
    drawn = np.bincount(
        np.random.default_rng(seed).integers(0, len(people), len(people)), minlength=len(people)
    )
    times = [
        drawn[people.index(pair.left[:2])] * (1 if pair.same else drawn[people.index(pair.right[:2])])
        for pair in pairs
    ]
    same = np.repeat([pair.same for pair in pairs], times)
    if same.all() or not same.any():
        assert np.isnan(tar_at(scores, far, drawn))
        return
    expected = tar_at_far(roc(np.repeat(cosines, times), same), far).tar
    assert tar_at(scores, far, drawn) == pytest.approx(expected)


def test_tar_of_all_pairs_counts_a_vote_a_pair_of_people_and_a_vote_a_person() -> None:
    rng = np.random.default_rng(2)
    names = [f"{n:02d}" for n in np.repeat(np.arange(20), rng.integers(1, 5, 20))]
    rows = rng.normal(size=(len(names), 5)) + 1.5 * np.eye(20, 5)[[int(name) % 5 for name in names]]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    scores = PackScores(genuine_pairs(rows, names), strongest_pairs(rows, names, 0.3), listed=False)
    all_of = strongest_pairs(rows, names, -1.0)
    for far in (0.01, 0.05, 0.1):
        passed = np.cumsum(all_of.votes) <= far * 190
        stranger = all_of.cosines[np.flatnonzero(~passed)[0]]
        expected = 1 - scores.genuine.false_non_match_rate(float(np.nextafter(stranger, 2)))
        assert tar_at(scores, far) == pytest.approx(expected)
    few = PackScores(scores.genuine, strongest_pairs(rows, names, 0.99), listed=False)
    with pytest.raises(ValueError, match=r"more than the \d+ impostor pairs kept"):
        tar_at(few, 0.1)


def shifted(
    noise: float, people: int, seed: int, *, made: int = 0
) -> tuple[NDArray[np.float64], list[str], PackScores]:
    """Three photos a person whose common direction drowns in `noise`. made: which noise, of the same people."""
    rng = np.random.default_rng(seed)
    rows = np.repeat(rng.normal(size=(people, 12)), 3, axis=0)
    rows = rows + noise * np.random.default_rng([seed, made]).normal(size=rows.shape)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    names = [f"{n // 3:03d}" for n in range(3 * people)]
    return (
        rows,
        names,
        PackScores(genuine_pairs(rows, names), strongest_pairs(rows, names, 0.1), listed=False),
    )


def test_a_worse_pack_is_found_to_be_worse_and_one_alike_is_not() -> None:
    (_, _, good), (_, _, bad), (_, _, alike) = (
        shifted(0.6, 80, 1),
        shifted(0.9, 80, 1),
        shifted(0.6, 80, 1, made=1),
    )
    worse = tar_difference(good, bad, 0.01, resamples=200)
    assert worse.value < 0
    assert worse.interval.high < 0
    assert worse.p < 0.02
    assert worse.value == worse.b - worse.a == tar_at(bad, 0.01) - tar_at(good, 0.01)
    same = tar_difference(good, alike, 0.01, resamples=200)
    assert same.interval.low < 0 < same.interval.high
    assert same.p > 0.05
    back = tar_difference(bad, good, 0.01, resamples=200)
    assert (back.value, back.p) == (-worse.value, worse.p)
    assert back.interval.low == pytest.approx(-worse.interval.high)


def test_a_pack_against_itself_differs_by_nothing_with_p_of_one() -> None:
    _, _, scores = shifted(0.6, 30, 4)
    none = tar_difference(scores, scores, 0.05, resamples=60)
    assert (none.value, none.interval, none.p) == (0, Interval(0, 0), 1)
    assert "are alike" in sentence("TAR", "one", "other", none)


def test_other_people_and_impossible_rates_are_refused() -> None:
    (_, _, one), (_, _, other) = shifted(0.6, 30, 4), shifted(0.6, 31, 4)
    with pytest.raises(ValueError, match="same people; a sees 30, b 31"):
        tar_difference(one, other, 0.1)
    for far in (0.0, 1.0, float("nan")):
        with pytest.raises(ValueError, match=r"within 0\.\.1"):
            tar_difference(one, one, far)


def test_the_difference_of_accuracy_has_mcnemars_p_and_an_interval_over_people() -> None:
    rng = np.random.default_rng(0)
    people = 60
    left = np.repeat(np.arange(people), 4)
    right = np.where(np.arange(left.size) % 2 == 0, left, (left + 1) % people)
    right_a = rng.uniform(size=left.size) < 0.8
    right_b = right_a | (rng.uniform(size=left.size) < 0.5)
    found = accuracy_difference(right_a, right_b, left, right, people, resamples=300)
    assert found.value == pytest.approx(right_b.mean() - right_a.mean())
    assert 0 < found.interval.low < found.value < found.interval.high
    assert found.p == mcnemar(right_a, right_b).p < 0.01
    assert found == accuracy_difference(right_a, right_b, left, right, people, resamples=300)


def test_the_interval_of_accuracy_is_that_of_a_literal_draw() -> None:
    left, right = np.array([0, 0, 1, 2, 2]), np.array([0, 1, 2, 2, 0])
    right_a = np.array([True, False, True, False, False])
    right_b = np.array([False, True, True, True, False])
    found = accuracy_difference(right_a, right_b, left, right, 3, resamples=1, seed=0)
    drawn = np.bincount(np.random.default_rng(0).integers(0, 3, 3), minlength=3)
    gained = counted = 0
    for one, other, a, b in zip(left, right, right_a, right_b, strict=True):
        times = int(drawn[one]) if one == other else int(drawn[one] * drawn[other])
        counted += times
        gained += times * (int(b) - int(a))
    assert max(drawn) == 2
    assert found.interval == Interval(gained / counted, gained / counted)


class Blind:
    """A source with rows of people, which finds no face in some images."""

    contract_id = "blind"

    def __init__(self, name: str, blind_to: str) -> None:
        self.name, self._blind_to = name, blind_to

    def photos(self, images: Images) -> EmbeddedSet:
        numbers = [int(image[:2]) for image in images.names]
        rows = np.random.default_rng(0).normal(size=(60, 9))[numbers]
        rows += 0.1 * np.random.default_rng(1).normal(size=rows.shape)
        rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        faces = np.array([0 if image == self._blind_to else 1 for image in images.names], np.int32)
        return EmbeddedSet(images.names, rows, rows, faces)

    aligned = photos


def test_photos_in_which_either_pack_finds_no_face_are_left_out_for_both(tmp_path: Path) -> None:
    for person in range(60):
        (tmp_path / f"{person:02d}").mkdir()
        for photo in (1, 2):
            (tmp_path / f"{person:02d}/{photo}.jpg").write_bytes(b"")
    first, second = Blind("first", "03/1.jpg"), Blind("second", "07/2.jpg")
    result = compare_people(first, second, open_people(tmp_path), resamples=20)
    assert result.figures["pairs"] == 2 * 58
    assert "2 photos were left out in which a pack found no face." in result.notes


def test_the_interval_over_people_holds_the_true_difference_about_as_often_as_it_says() -> None:
    true = tar_difference(shifted(0.6, 700, 9)[2], shifted(0.75, 700, 9)[2], 0.02, resamples=1).value
    held = 0
    for seed in range(20):
        found = tar_difference(
            shifted(0.6, 50, 100 + seed)[2], shifted(0.75, 50, 100 + seed)[2], 0.02, resamples=80
        )
        held += found.interval.low <= true <= found.interval.high
    assert held >= 16


def test_the_sentence_says_who_is_better_by_how_much_and_how_often_chance_does_that() -> None:
    better = Difference(0.98, 0.99, 0.01, Interval(0.004, 0.016), 0.012)
    assert sentence("accuracy", "A", "B", better) == (
        "accuracy: B is better than A by 1.00 +- 0.60 percentage points; if both were equally good, a difference of "
        "that size would arise by chance in 1.2 % of such comparisons."
    )
    worse = Difference(0.99, 0.98, -0.01, Interval(-0.016, -0.004), 0.0001)
    assert "A is better than B by 1.00" in sentence("accuracy", "A", "B", worse)
    assert "in less than 0.1 % of" in sentence("accuracy", "A", "B", worse)
    unsure = Difference(0.98, 0.99, 0.01, Interval(-0.01, 0.03), 0.3)
    assert "no difference is shown: B is ahead of A by 1.00 +- 2.00" in sentence("accuracy", "A", "B", unsure)
