"""The extreme-value tail: its fit against scipy and against itself, its answers, its refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from evaluation.all_pairs.strongest import StrongestPairs
from evaluation.calibration.tail import (
    LEAST_VOTES,
    START_FMR,
    START_VOTES,
    Pareto,
    Tail,
    distance,
    fit_pareto,
    fit_tail,
    quantiles,
    tail_pairs,
)


def pairs_of(cosines: NDArray[np.float64], people: int, votes: float = 1.0) -> StrongestPairs:
    """Impostor pairs of the given cosines, falling, of people drawn at random."""
    rng = np.random.default_rng(0)
    left = rng.integers(0, people, cosines.size)
    right = (left + rng.integers(1, people, cosines.size)) % people
    return StrongestPairs(
        np.sort(cosines)[::-1],
        left,
        right,
        left,
        right,
        np.full(cosines.size, votes),
        people,
        float(cosines.min(initial=0)),
    )


def drawn_excesses(shape: float, scale: float, count: int, seed: int) -> NDArray[np.float64]:
    shares = np.random.default_rng(seed).uniform(size=count)
    pareto = Pareto(shape, scale)
    return np.sort([pareto.excess(float(share)) for share in 1 - shares])[::-1]


@pytest.mark.parametrize("shape", [-0.3, -0.05, 0.0, 0.2])
def test_distribution_and_quantiles_are_those_of_scipy(shape: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    theirs, ours = stats.genpareto(shape, scale=0.03), Pareto(shape, 0.03)
    for share in (1.0, 0.9, 0.1, 1e-3, 1e-6):
        assert ours.excess(share) == pytest.approx(theirs.isf(share), rel=1e-9, abs=1e-15)
        assert ours.surpassed(ours.excess(share)) == pytest.approx(share, rel=1e-9)
    for excess in (-1.0, 0.0, 0.01, 0.08, 0.5):
        assert ours.surpassed(excess) == pytest.approx(theirs.sf(excess), rel=1e-9, abs=1e-300)


@pytest.mark.parametrize("shape", [-0.25, 0.0, 0.2])
def test_the_fit_finds_the_parameters_again_about_as_well_as_maximum_likelihood(shape: float) -> None:
    stats = pytest.importorskip("scipy.stats")
    found, likely = [], []
    for seed in range(12):
        excesses = drawn_excesses(shape, 0.03, 1000, seed)
        fit = fit_pareto(excesses, np.ones(1000))
        found.append((fit.shape, fit.scale))
        theirs = stats.genpareto.fit(excesses, floc=0)
        likely.append((theirs[0], theirs[2]))
    errors = np.array(found) - [shape, 0.03]
    assert np.abs(errors.mean(axis=0)) == pytest.approx([0, 0], abs=0.03)
    assert np.sqrt((errors[:, 0] ** 2).mean()) < 2 * np.sqrt(((np.array(likely)[:, 0] - shape) ** 2).mean())


@given(st.integers(3, 25), st.integers(0, 10_000))
@settings(max_examples=50, deadline=None)
def test_moments_with_votes_are_those_of_a_loop_over_all_pairs(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    excesses = np.sort(np.round(rng.exponential(size=count), 1))[::-1]  # with ties
    votes = rng.uniform(0.1, 1, count)
    if np.ptp(excesses) == 0:
        return
    a0 = (votes * excesses).sum() / votes.sum()
    lesser = total = 0.0
    for i in range(count):
        for j in range(count):
            if i != j:
                lesser += votes[i] * votes[j] * min(excesses[i], excesses[j])
                total += votes[i] * votes[j]
    a1 = lesser / total / 2
    fit = fit_pareto(excesses, votes)
    assert fit.shape == pytest.approx(2 - a0 / (a0 - 2 * a1), rel=1e-6, abs=1e-9)
    assert fit.scale == pytest.approx(2 * a0 * a1 / (a0 - 2 * a1), rel=1e-6)


def test_equal_votes_give_the_unbiased_estimator_of_the_paper_whatever_their_size() -> None:
    rising = np.sort(np.random.default_rng(3).exponential(size=50))
    # Hosking & Wallis 1987: a1 = 1/n sum_j (n - j) / (n - 1) x_j over x_1 <= ... <= x_n
    a0, a1 = rising.mean(), (np.arange(49, -1, -1) / 49 * rising).mean()
    for votes in (1.0, 0.01):
        fit = fit_pareto(rising[::-1], np.full(50, votes))
        assert fit.shape == pytest.approx(2 - a0 / (a0 - 2 * a1))
        assert fit.scale == pytest.approx(2 * a0 * a1 / (a0 - 2 * a1))


@pytest.mark.parametrize(
    ("excesses", "votes", "match"),
    [
        ([0.2, 0.2, 0.2], [1, 1, 1], r"all alike, about 0\.2"),
        ([0.0, 0.0], [1, 1], "all alike, about 0"),
        ([0.3], [1], "at least two excesses"),
        ([], [], "at least two excesses"),
        ([0.3, 0.2], [0, 0], "at least two excesses"),
        ([np.nan, 0.1], [1, 1], "must be finite"),
        ([0.3, 0.1], [1, np.nan], "must be finite"),
        ([0.1, 0.3], [1, 1], "falling"),
        ([0.3, -0.1], [1, 1], ">= 0"),
        ([0.3, 0.1], [1], "of one length"),
    ],
)
def test_excesses_that_are_no_tail_are_refused(excesses: list[float], votes: list[float], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        fit_pareto(np.array(excesses), np.array(votes))


def test_the_tail_is_the_strongest_thousand_votes_and_never_more_than_a_hundredth() -> None:
    many = pairs_of(np.random.default_rng(1).uniform(0.2, 0.6, 9000), 2000, votes=0.5)
    assert tail_pairs(many) == 2 * START_VOTES
    fewer = pairs_of(np.random.default_rng(1).uniform(0.2, 0.6, 900), 300)
    assert tail_pairs(fewer) == int(START_FMR * 300 * 299 / 2)
    with pytest.raises(ValueError, match=rf"needs {LEAST_VOTES} votes .* the 780 pairs of 40 people have 8"):
        tail_pairs(pairs_of(np.linspace(0, 0.5, 780), 40))
    with pytest.raises(ValueError, match="takes 1000 votes, and the pairs kept have 500"):
        tail_pairs(pairs_of(np.linspace(0.3, 0.5, 500), 2000))
    alike = pairs_of(np.full(5000, 0.5), 2000)
    with pytest.raises(ValueError, match="all alike"):
        fit_tail(alike)


def test_the_tail_of_a_known_distribution_tells_rates_far_below_those_it_was_made_from() -> None:
    excesses = drawn_excesses(-0.1, 0.03, 2000, seed=4)
    pairs = pairs_of(0.35 + excesses, 2000)
    tail = fit_tail(pairs)
    above_start = 2000 / pairs.people_pairs
    for fmr in (1e-5, 1e-6, 1e-7):
        true = 0.35 + Pareto(-0.1, 0.03).excess(fmr / above_start)
        assert tail.threshold(fmr) == pytest.approx(true, abs=0.02)
        assert tail.false_match_rate(tail.threshold(fmr)) == pytest.approx(fmr)
    assert tail.votes == START_VOTES
    assert tail.false_match_rate(tail.start) == pytest.approx(tail.rate)
    assert distance(tail, pairs) < 0.05
    for quantile in quantiles(tail, pairs):
        assert quantile.observed == pytest.approx(quantile.fitted, abs=0.02)
    assert [quantile.share for quantile in quantiles(tail, pairs)][-1] == 0.001


def test_a_fit_that_does_not_fit_is_told_by_quantiles_and_distance() -> None:
    pairs = pairs_of(0.35 + drawn_excesses(-0.1, 0.03, 2000, seed=4), 2000)
    tail = fit_tail(pairs)
    wrong = replace(tail, excesses=Pareto(0.4, 0.09))
    assert distance(wrong, pairs) > 0.3
    assert max(abs(quantile.observed - quantile.fitted) for quantile in quantiles(wrong, pairs)) > 0.1


def test_the_distance_is_that_of_scipy_where_votes_are_equal() -> None:
    stats = pytest.importorskip("scipy.stats")
    pairs = pairs_of(0.35 + np.round(drawn_excesses(-0.1, 0.03, 2000, seed=7), 3), 2000)
    tail = fit_tail(pairs)
    excesses = pairs.cosines[: tail.pairs] - tail.start
    theirs = stats.genpareto(tail.excesses.shape, scale=tail.excesses.scale)
    assert distance(tail, pairs) == pytest.approx(stats.kstest(excesses, theirs.cdf).statistic, abs=1e-9)


def test_a_draw_in_which_everyone_stands_once_is_the_tail_itself_and_others_are_not() -> None:
    pairs = pairs_of(0.35 + drawn_excesses(-0.1, 0.03, 2000, seed=4), 2000)
    assert fit_tail(pairs, np.ones(2000, np.int64)) == fit_tail(pairs)
    drawn = np.bincount(np.random.default_rng(0).integers(0, 2000, 2000), minlength=2000)
    again = fit_tail(pairs, drawn)
    assert again.start == fit_tail(pairs).start
    assert again.excesses != fit_tail(pairs).excesses


def test_rates_outside_the_tail_are_refused_and_a_cosine_is_one_at_most() -> None:
    tail = Tail(0.4, 1e-4, Pareto(0.5, 0.05), 1000, 1000)
    assert tail.threshold(1e-12) == 1.0
    for fmr in (2e-4, 0.0, -1.0):
        with pytest.raises(ValueError, match=r"up to 0\.0001"):
            tail.threshold(fmr)
    with pytest.raises(ValueError, match=r"begins at a cosine of 0\.4000"):
        tail.false_match_rate(0.39)
    with pytest.raises(ValueError, match="got 0"):
        Pareto(0.0, 0.1).excess(0)
    assert Tail(0.4, 1e-4, Pareto(-0.5, 0.05), 1000, 1000).false_match_rate(0.6) == 0
