"""Figures and intervals of 1:1 sets against their definitions written out."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from evaluation.report.svg import Axis
from evaluation.resampling import Interval
from evaluation.verification.curves import det_plot, roc_plot, thinned
from evaluation.verification.figures import FARS, drawn_folds, pair_figures, worst_pairs
from evaluation.verification.intervals import pair_intervals
from evaluation.verification.measures import equal_error_rate, fold_accuracy, roc, tar_at_far

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

SCORE = st.one_of(st.sampled_from([-1.0, 0.0, 0.5, 1.0]), st.floats(-1, 1, allow_nan=False, width=32))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Floats, Bools]:
    extra = draw(st.lists(st.tuples(SCORE, st.booleans()), max_size=25))
    rows = [(draw(SCORE), True), (draw(SCORE), False), *extra]
    return np.array([score for score, _ in rows]), np.array([same for _, same in rows])


@st.composite
def people_pairs(draw: st.DrawFn) -> tuple[Floats, Bools, NDArray[np.int64], NDArray[np.int64]]:
    """Pairs among a few people, so that most pairs share one."""
    people = draw(st.integers(2, 6))
    person = st.integers(0, people - 1)
    rows = [(0, 0), (0, 1), *draw(st.lists(st.tuples(person, person), max_size=20))]
    left, right = np.array(rows).T
    scores = np.array([draw(SCORE) for _ in rows])
    return scores, left == right, left, right


def written_out(
    scores: Floats, same: Bools, draws: list[NDArray[np.int64]], far: float
) -> tuple[Interval | None, Interval | None]:
    """Intervals of TAR and EER from pairs that are copied as often as each draw says."""
    tars, eers = [], []
    for times in draws:
        copied, kinds = np.repeat(scores, times), np.repeat(same, times)
        if kinds.any() and not kinds.all():
            curve = roc(copied, kinds)
            tars.append(tar_at_far(curve, far).tar)
            eers.append(equal_error_rate(curve))
    if 2 * len(tars) < len(draws):
        return None, None
    low_high = [[float(np.quantile(values, at)) for at in (0.025, 0.975)] for values in (tars, eers)]
    return Interval(*low_high[0]), Interval(*low_high[1])


def close(found: Interval | None, expected: Interval | None) -> bool:
    if found is None or expected is None:
        return found is expected
    return (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(pairs(), st.sampled_from([0.0, 0.1, 0.25, 0.5]), st.integers(0, 5))
def test_intervals_of_drawn_pairs_are_those_of_copied_pairs(
    data: tuple[Floats, Bools], far: float, seed: int
) -> None:
    scores, same = data
    random = np.random.default_rng(seed)
    draws = []
    for _ in range(20):
        times = np.zeros(same.size, np.int64)
        for kind in (np.flatnonzero(same), np.flatnonzero(~same)):
            np.add.at(times, kind[random.integers(0, kind.size, kind.size)], 1)
        draws.append(times)
    found = pair_intervals(scores, same, [far], resamples=20, seed=seed)
    tar, eer = written_out(scores, same, draws, far)
    assert close(found.tar[0], tar)
    assert close(found.equal_error_rate, eer)
    assert (found.drawn, found.units, found.resamples, found.left_out) == ("pairs", same.size, 20, 0)


@settings(max_examples=50, deadline=None)
@given(people_pairs(), st.sampled_from([0.0, 0.1, 0.5]), st.integers(0, 5))
def test_intervals_of_drawn_people_are_those_of_pairs_copied_for_each_drawing(
    data, far: float, seed: int
) -> None:
    scores, same, left, right = data
    people = np.unique([left, right])
    random = np.random.default_rng(seed)
    draws = []
    for _ in range(20):
        drawn = Counter(people[random.integers(0, people.size, people.size)].tolist())
        times = [
            drawn[a] if a == b else drawn[a] * drawn[b]
            for a, b in zip(left.tolist(), right.tolist(), strict=True)
        ]
        draws.append(np.array(times))
    found = pair_intervals(scores, same, [far], people=(left, right), resamples=20, seed=seed)
    tar, eer = written_out(scores, same, draws, far)
    assert close(found.tar[0], tar)
    assert close(found.equal_error_rate, eer)
    assert (found.drawn, found.units) == ("people", people.size)
    assert found.resamples + found.left_out == 20


def test_intervals_of_pairs_are_as_wide_as_the_spread_over_new_samples() -> None:
    random = np.random.default_rng(7)
    same = np.arange(2000) % 2 == 0

    def sample() -> Floats:
        return random.normal(np.where(same, 0.6, 0.0), 0.2)

    tars = [tar_at_far(roc(sample(), same), 0.01).tar for _ in range(300)]
    spread = np.quantile(tars, 0.975) - np.quantile(tars, 0.025)
    widths = []
    for seed in range(8):
        interval = pair_intervals(sample(), same, [0.01], resamples=200, seed=seed).tar[0]
        assert interval is not None
        widths.append(interval.high - interval.low)
    assert np.mean(widths) == pytest.approx(spread, rel=0.3)


def test_shared_people_widen_what_pairs_alone_would_promise() -> None:
    """Each person is hard or easy in all of their pairs: 40 people are far fewer facts than 800 pairs."""
    random = np.random.default_rng(3)
    people = np.repeat(np.arange(40), 20)
    left = np.concatenate([people, people])
    right = np.concatenate([people, (people + np.tile(np.arange(1, 21), 40)) % 40])
    same = left == right
    scores = np.where(same, 0.5, 0.0) + random.normal(0, 0.3, 40)[left] + random.normal(0, 0.05, left.size)
    of_pairs = pair_intervals(scores, same, [0.1], resamples=300).equal_error_rate
    of_people = pair_intervals(scores, same, [0.1], people=(left, right), resamples=300).equal_error_rate
    assert of_pairs is not None
    assert of_people is not None
    assert of_people.high - of_people.low > 2 * (of_pairs.high - of_pairs.low)


def test_the_same_seed_gives_the_same_intervals_and_another_seed_others() -> None:
    random = np.random.default_rng(0)
    scores, same = random.normal(size=200), np.arange(200) % 2 == 0
    assert pair_intervals(scores, same, FARS, seed=4) == pair_intervals(scores, same, FARS, seed=4)
    assert pair_intervals(scores, same, FARS, seed=4) != pair_intervals(scores, same, FARS, seed=5)


def test_nonsense_is_refused_by_the_intervals() -> None:
    same = np.array([True, False])
    with pytest.raises(ValueError, match="score 1 is nan"):
        pair_intervals([0.1, float("nan")], same, [0.1])
    with pytest.raises(ValueError, match="no impostor pair"):
        pair_intervals([0.1, 0.2], np.array([True, True]), [0.1])
    with pytest.raises(ValueError, match="no genuine pair among the 0"):
        pair_intervals([], np.array([], bool), [0.1])
    with pytest.raises(ValueError, match="at least one resample"):
        pair_intervals([0.1, 0.2], same, [0.1], resamples=0)
    with pytest.raises(ValueError, match="pair 1 is impostor, its people say not"):
        pair_intervals([0.1, 0.2], same, [0.1], people=([1, 1], [1, 1]))
    with pytest.raises(ValueError, match="people must be two of"):
        pair_intervals([0.1, 0.2], same, [0.1], people=([1, 1, 1], [1, 2]))


@settings(max_examples=50, deadline=None)
@given(pairs())
def test_figures_are_those_of_verification_and_low_rates_are_called_unsupported(
    data: tuple[Floats, Bools],
) -> None:
    scores, same = data
    figures = pair_figures(scores, same, None, resamples=5)
    curve = roc(scores, same)
    assert figures.accuracy is None
    assert figures.points == tuple(tar_at_far(curve, far) for far in FARS)
    assert figures.equal_error_rate == equal_error_rate(curve)
    for at, point in enumerate(figures.points):
        assert point.supported == (point.far * (~same).sum() >= 1 - 1e-9)
        assert (figures.tar_interval(at) is not None) == point.supported


def test_figures_with_folds_have_the_accuracy_of_the_folds() -> None:
    random = np.random.default_rng(0)
    scores, same, folds = random.normal(size=60), np.arange(60) % 2 == 0, np.arange(60) // 6
    assert pair_figures(scores, same, folds, resamples=5).accuracy == fold_accuracy(scores, same, folds)
    with pytest.raises(ValueError, match="at least two folds"):
        pair_figures(scores, same, np.zeros(60, np.int64), resamples=5)


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 40), st.integers(2, 40), st.integers(2, 12), st.integers(0, 3))
def test_drawn_folds_spread_each_kind_evenly(genuine: int, impostor: int, folds: int, seed: int) -> None:
    same = np.random.default_rng(1).permutation([True] * genuine + [False] * impostor)
    if folds > min(genuine, impostor):
        with pytest.raises(ValueError, match="at most as many as there are pairs of the rarer kind"):
            drawn_folds(same, folds, seed)
        return
    fold_of = drawn_folds(same, folds, seed)
    for kind in (same, ~same):
        counts = np.bincount(fold_of[kind], minlength=folds)
        assert counts.max() - counts.min() <= 1
    assert (fold_of == drawn_folds(same, folds, seed)).all()


def test_another_seed_draws_other_folds_and_one_fold_is_refused() -> None:
    same = np.arange(100) % 2 == 0
    assert (drawn_folds(same, 10, 1) != drawn_folds(same, 10, 2)).any()
    with pytest.raises(ValueError, match="1 folds were asked for; there must be 2 at least"):
        drawn_folds(same, 1, 0)


@settings(max_examples=50, deadline=None)
@given(pairs(), SCORE, st.integers(1, 5))
def test_the_worst_pairs_are_the_wrongly_judged_ones_farthest_from_right(
    data: tuple[Floats, Bools], threshold: float, count: int
) -> None:
    scores, same = data
    missed, passed = worst_pairs(scores, same, threshold, count)
    wrong = [(score, at) for at, score in enumerate(scores.tolist()) if same[at] and score < threshold]
    assert missed == [at for _, at in sorted(wrong)[:count]]
    wrong = [(-score, at) for at, score in enumerate(scores.tolist()) if not same[at] and score >= threshold]
    assert passed == [at for _, at in sorted(wrong)[:count]]


def test_no_worst_pair_can_not_be_asked_for() -> None:
    with pytest.raises(ValueError, match="at least one pair"):
        worst_pairs([0.1, 0.2], np.array([True, False]), 0.1, 0)


@settings(max_examples=50, deadline=None)
@given(pairs())
def test_the_plots_draw_the_rates_of_the_curve(data: tuple[Floats, Bools]) -> None:
    scores, same = data
    curve = roc(scores, same)
    tar, fnmr = roc_plot("ROC", "x", curve), det_plot("DET", "x", curve)
    for plot in (tar, fnmr):
        ET.fromstring(plot.svg())
        (drawn,) = plot.curves
        fars = [x for x, _ in drawn.points]
        assert fars == sorted(fars)
        assert drawn.points[-1][0] == 1.0
    rates = set(zip(curve.false_match_rate.tolist(), curve.true_match_rate.tolist(), strict=True))
    lowest = tar.across.low
    for x, y in tar.curves[0].points:
        best = max(t for f, t in rates if f <= x) if x > lowest else max(t for f, t in rates if f <= lowest)
        assert y == best or y in {t for f, t in rates if f < x}
    assert tar.curves[0].points[-1] == (1.0, 1.0)
    assert fnmr.curves[0].points[-1] == (1.0, 0.0)


def test_a_picture_of_many_points_looks_as_one_of_few() -> None:
    axis = Axis("x", 0.0, 1.0)
    points = [(x, x * x) for x in np.linspace(0, 1, 10_000).tolist()]
    kept = thinned(points, axis, axis)
    assert len(kept) < 4001
    assert (kept[0], kept[-1]) == (points[0], points[-1])
    missing = [min(abs(x - a) + abs(y - b) for a, b in kept) for x, y in points[::997]]
    assert max(missing) < 1e-3
