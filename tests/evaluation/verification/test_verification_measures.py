"""Pair figures against literal, slow versions of their definitions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from evaluation.verification.measures import (
    best_threshold,
    equal_error_rate,
    equal_error_threshold,
    fold_accuracy,
    pair_cosines,
    roc,
    tar_at_far,
)

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# Few distinct values, so that ties are the rule and not the exception.
SCORE = st.one_of(
    st.sampled_from([-1.0, -0.5, 0.0, 0.25, 0.5, 1.0]),
    st.floats(-1, 1, allow_nan=False, width=32),
)


@st.composite
def pairs(draw: st.DrawFn, folds: int = 1) -> tuple[Floats, Bools, NDArray[np.int64]]:
    """Scores, labels and folds; every fold has at least one pair of each kind."""
    scores: list[float] = []
    same: list[bool] = []
    fold_of: list[int] = []
    for fold in range(folds):
        extra = draw(st.lists(st.tuples(SCORE, st.booleans()), max_size=12))
        for score, label in [(draw(SCORE), True), (draw(SCORE), False), *extra]:
            scores.append(score)
            same.append(label)
            fold_of.append(fold)
    return np.array(scores), np.array(same), np.array(fold_of)


def accuracy_at(scores: Floats, same: Bools, threshold: float) -> float:
    right = sum((score >= threshold) == label for score, label in zip(scores, same, strict=True))
    return right / len(scores)


def every_decision(scores: Floats) -> list[float]:
    """A threshold for each way in which a threshold can split these scores, from the loosest to the
    strictest.
    """
    return [*sorted(set(scores.tolist())), float("inf")]


@given(pairs())
def test_the_best_threshold_is_as_good_as_the_best_of_all_splits(data) -> None:
    scores, same, _ = data
    best = max(accuracy_at(scores, same, t) for t in every_decision(scores))
    assert accuracy_at(scores, same, best_threshold(scores, same)) == best


@given(pairs())
def test_among_equally_good_thresholds_the_one_with_fewest_false_matches_is_taken(data) -> None:
    scores, same, _ = data
    best = max(accuracy_at(scores, same, t) for t in every_decision(scores))
    fewest = min(
        int(((scores >= t) & ~same).sum())
        for t in every_decision(scores)
        if accuracy_at(scores, same, t) == best
    )
    assert int(((scores >= best_threshold(scores, same)) & ~same).sum()) == fewest


def test_a_threshold_between_two_neighbouring_floats_still_separates_them() -> None:
    low = 0.5
    high = float(np.nextafter(low, 1))
    threshold = best_threshold([low, high], np.array([False, True]))
    assert low < threshold <= high


def test_equal_scores_for_all_pairs_are_accepted_or_rejected_together() -> None:
    scores = np.full(5, 0.3)
    assert best_threshold(scores, np.array([True, True, True, False, False])) == 0.3
    assert best_threshold(scores, np.array([True, False, False, False, False])) > 0.3


@given(pairs(folds=4))
def test_fold_accuracy_equals_the_protocol_written_out(data) -> None:
    scores, same, folds = data
    result = fold_accuracy(scores, same, folds)
    expected = []
    for fold in range(4):
        inside = folds == fold
        train_best = max(
            accuracy_at(scores[~inside], same[~inside], t) for t in every_decision(scores[~inside])
        )
        threshold = result.thresholds[fold]
        assert accuracy_at(scores[~inside], same[~inside], threshold) == train_best
        expected.append(accuracy_at(scores[inside], same[inside], threshold))
    mean = sum(expected) / 4
    assert result.accuracies == pytest.approx(expected)
    assert result.mean == pytest.approx(mean)
    deviation = (sum((value - mean) ** 2 for value in expected) / 3) ** 0.5
    assert result.standard_deviation == pytest.approx(deviation)
    assert result.standard_error == pytest.approx(deviation / 2)


def test_a_fold_is_judged_by_the_other_folds_and_never_by_itself() -> None:
    # Fold 1 alone would choose a threshold of .85; the other fold forces .25, at which fold 1's impostor
    # passes.
    scores = [0.2, 0.3, 0.8, 0.9]
    same = np.array([False, True, False, True])
    result = fold_accuracy(scores, same, [0, 0, 1, 1])
    assert result.thresholds == pytest.approx((0.85, 0.25))
    assert result.accuracies == (0.5, 0.5)


@given(pairs())
def test_every_point_of_the_roc_is_what_counting_gives(data) -> None:
    scores, same, _ = data
    curve = roc(scores, same)
    assert curve.thresholds.tolist() == every_decision(scores)[::-1]
    for threshold, fmr, tmr in zip(
        curve.thresholds, curve.false_match_rate, curve.true_match_rate, strict=True
    ):
        accepted = scores >= threshold
        assert fmr == (accepted & ~same).sum() / (~same).sum()
        assert tmr == (accepted & same).sum() / same.sum()


@given(pairs())
def test_the_roc_is_that_of_scikit_learn(data) -> None:
    scores, same, _ = data
    curve = roc(scores, same)
    rates, tars, thresholds = roc_curve(same, scores, drop_intermediate=False)
    assert curve.thresholds.tolist() == thresholds.tolist()
    assert curve.false_match_rate == pytest.approx(rates, abs=1e-15)
    assert curve.true_match_rate == pytest.approx(tars, abs=1e-15)


@given(pairs(), st.sampled_from([0.0, 1e-3, 0.1, 0.25, 1 / 3, 0.5, 1.0]))
def test_tar_at_far_is_the_best_tar_of_all_thresholds_that_keep_the_far(data, far: float) -> None:
    scores, same, _ = data
    point = tar_at_far(roc(scores, same), far)
    impostors = int((~same).sum())
    allowed = [t for t in every_decision(scores) if ((scores >= t) & ~same).sum() <= far * impostors + 1e-9]
    assert point.tar == max(((scores >= t) & same).sum() / same.sum() for t in allowed)
    assert point.false_matches == ((scores >= point.threshold) & ~same).sum()
    assert point.measured_far <= far + 1e-12


def test_three_false_matches_of_three_thousand_meet_a_far_of_one_in_a_thousand() -> None:
    impostors = np.linspace(0, 1, 3000)
    scores = np.concatenate([impostors, [impostors[-3], impostors[-4]]])
    same = np.concatenate([np.zeros(3000, bool), np.ones(2, bool)])
    point = tar_at_far(roc(scores, same), 1e-3)
    assert (point.false_matches, point.tar, point.supported) == (3, 0.5, True)
    assert not tar_at_far(roc(scores, same), 1e-4).supported


@given(pairs())
def test_the_equal_error_rate_is_the_crossing_found_by_walking_every_segment(data) -> None:
    scores, same, _ = data
    curve = roc(scores, same)
    points = list(zip(curve.false_match_rate, 1 - curve.true_match_rate, strict=True))
    crossings = []
    for (fmr_a, fnmr_a), (fmr_b, fnmr_b) in itertools.pairwise(points):
        before, after = fmr_a - fnmr_a, fmr_b - fnmr_b
        if before <= 0 <= after and after > before:
            crossings.append(fmr_a + (fmr_b - fmr_a) * (-before / (after - before)))
    assert equal_error_rate(curve) == pytest.approx(crossings[0], abs=1e-12)


@given(pairs())
def test_no_threshold_brings_the_two_error_rates_closer_than_that_of_the_equal_error_rate(data) -> None:
    scores, same, _ = data

    def gap(threshold: float) -> float:
        accepted = scores >= threshold
        return abs(accepted[~same].mean() - (~accepted[same]).mean())

    at = equal_error_threshold(roc(scores, same))
    closest = min(gap(threshold) for threshold in every_decision(scores))
    assert gap(at) == pytest.approx(closest, abs=1e-12)


@given(pairs())
def test_separated_classes_have_no_error_and_swapped_classes_nothing_else(data) -> None:
    _, same, _ = data
    good = roc(same.astype(float), same)
    assert equal_error_rate(good) == 0.0
    assert tar_at_far(good, 0.0).tar == 1.0
    assert equal_error_rate(roc(-same.astype(float), same)) == 1.0


@pytest.mark.parametrize("figure", [best_threshold, roc])
def test_scores_that_are_no_numbers_are_refused_with_their_place(figure) -> None:
    with pytest.raises(ValueError, match="score 1 is nan"):
        figure([0.1, float("nan")], np.array([True, False]))
    with pytest.raises(ValueError, match="score 0 is inf"):
        figure([float("inf"), 0.1], np.array([True, False]))


@pytest.mark.parametrize(("same", "missing"), [([True, True], "impostor"), ([False, False], "genuine")])
def test_a_missing_class_is_named(same: list[bool], missing: str) -> None:
    with pytest.raises(ValueError, match=f"no {missing} pair among the 2"):
        roc([0.1, 0.2], np.array(same))


def test_labels_must_be_booleans_of_the_scores_length_and_folds_at_least_two() -> None:
    with pytest.raises(ValueError, match="must be bool"):
        roc([0.1, 0.2], [0, 1])
    with pytest.raises(ValueError, match="of one length"):
        roc([0.1, 0.2, 0.3], np.array([True, False]))
    with pytest.raises(ValueError, match="at least two folds"):
        fold_accuracy([0.1, 0.2], np.array([True, False]), [0, 0])
    with pytest.raises(ValueError, match=r"0\.\.1"):
        tar_at_far(roc([0.1, 0.2], np.array([True, False])), 1.5)


def test_pair_cosines_agree_with_a_loop_over_the_pairs() -> None:
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(7, 5)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    left, right = rng.integers(0, 7, 20), rng.integers(0, 7, 20)
    expected = [
        sum(float(a) * float(b) for a, b in zip(rows[i], rows[j], strict=True))
        for i, j in zip(left, right, strict=True)
    ]
    assert pair_cosines(rows, left, right) == pytest.approx(expected, abs=1e-6)
