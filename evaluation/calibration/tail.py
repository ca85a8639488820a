"""The tail of impostor cosines by extreme-value theory, for rates too low to be counted; embeds and counts nothing.

What a score exceeds a high level by follows a generalised Pareto distribution in the limit, whatever the scores are
distributed like (Balkema & de Haan 1974, Pickands 1975): P(excess > y) = (1 + shape * y / scale)^(-1 / shape). A line
through log10(FMR) is the special case of shape 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.all_pairs.strongest import StrongestPairs
from evaluation.resampling import drawn_people_pairs

START_VOTES = 1000
START_FMR = 1e-2
"""The tail is the strongest 1,000 pairs of people, though never more than a hundredth of all. With 3,000 it lets
through more than it says (made from 1,429 people of LFW, at 1e-6, 1.7 times as many in place of 1.3), with 300 it
varies more from one set of people to another (benchmarks/tail.py).
"""

LEAST_VOTES = 100
"""Pairs of people among the excesses below which no tail is fitted: a shape has a standard error of at least
1 / sqrt(votes), a tenth, which is as much as the shapes that are found.
"""

SHARES = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)


@dataclass(frozen=True)
class Pareto:
    """A generalised Pareto distribution of excesses y >= 0. shape: below 0 where there is a highest excess, else there
    is none. scale: above 0, in cosine.
    """

    shape: float
    scale: float

    @property
    def highest(self) -> float:
        """The excess that is never surpassed; infinite for a shape of 0 or more."""
        return -self.scale / self.shape if self.shape < 0 else float("inf")

    def surpassed(self, excess: float) -> float:
        """P(Y > excess), 0..1."""
        if excess <= 0:
            return 1.0
        if excess >= self.highest:
            return 0.0
        if self.shape == 0:
            return float(np.exp(-excess / self.scale))
        return float(np.exp(-np.log1p(self.shape * excess / self.scale) / self.shape))

    def excess(self, share: float) -> float:
        """The excess that the share (0 < share <= 1) surpasses."""
        if not 0 < share <= 1:
            raise ValueError(f"a share that surpasses an excess lies within 0..1 (0 excluded), got {share}")
        depth = -np.log(share)
        return float(self.scale * (depth if self.shape == 0 else np.expm1(self.shape * depth) / self.shape))


@dataclass(frozen=True)
class Tail:
    """FMR from `start` up: `rate` (0..1) is the FMR at the cosine `start`, `excesses` how it goes on.

    votes: pairs of people among those above, a pair of photos counting its share. pairs: pairs of photos.
    """

    start: float
    rate: float
    excesses: Pareto
    votes: float
    pairs: int

    def false_match_rate(self, cosine: float) -> float:
        """The FMR (0..1) at a cosine from `start` up; ValueError below it, where pairs are to be counted."""
        if cosine < self.start:
            raise ValueError(f"the tail begins at a cosine of {self.start:.4f}, above {cosine:.4f}")
        return self.rate * self.excesses.surpassed(cosine - self.start)

    def threshold(self, fmr: float) -> float:
        """The cosine (at most 1) with that FMR; ValueError for a rate above the one at `start`."""
        if not 0 < fmr <= self.rate:
            raise ValueError(
                f"the tail speaks of false match rates up to {self.rate:.2g} (0 excluded), not {fmr:g}"
            )
        return min(1.0, self.start + self.excesses.excess(fmr / self.rate))


@dataclass(frozen=True)
class Quantile:
    """The cosine that the share (0..1) of the pairs in the tail surpasses, as observed and as fitted."""

    share: float
    observed: float
    fitted: float


def fit_pareto(excesses: NDArray[np.float64], votes: NDArray[np.float64]) -> Pareto:
    """Probability-weighted moments of excesses (K,), falling and >= 0, each with its votes (K,), >= 0.

    Hosking & Wallis 1987: from a0 = E[Y] and a1 = E[Y (1 - F(Y))] follow shape = 2 - a0 / (a0 - 2 a1) and
    scale = 2 a0 a1 / (a0 - 2 a1). 2 a1 is the mean of the lesser of two excesses, here over all pairs of different
    ones, so that equal votes give their unbiased estimator. ValueError where excesses are not finite, negative, not
    falling or all alike.
    """
    if excesses.ndim != 1 or excesses.shape != votes.shape:
        raise ValueError(f"excesses and votes must be of one length, got {excesses.shape} and {votes.shape}")
    sound = np.isfinite(excesses).all() and np.isfinite(votes).all() and (votes >= 0).all()
    if not sound or (excesses < 0).any() or (np.diff(excesses) > 0).any():
        raise ValueError("excesses must be finite, >= 0 and falling, and votes finite and >= 0")
    above = np.cumsum(votes) - votes  # votes of the greater ones
    pairs = (votes * above).sum()
    if not pairs > 0:
        raise ValueError("a tail needs at least two excesses with votes")
    mean = float((votes * excesses).sum() / votes.sum())
    lesser = float((votes * above * excesses).sum() / pairs)
    spread = mean - lesser
    if not spread > 1e-9 * mean:
        raise ValueError(f"the excesses are all alike, about {mean:.4g}; a tail needs some that differ")
    return Pareto(shape=2.0 - mean / spread, scale=mean * lesser / spread)


def tail_pairs(strongest: StrongestPairs) -> int:
    """How many of the strongest pairs are the tail: those with START_VOTES votes together, or with an FMR of START_FMR
    where that is less. ValueError where that is less than LEAST_VOTES, or the pairs do not reach so far down.
    """
    votes = min(START_VOTES, START_FMR * strongest.people_pairs)
    if votes < LEAST_VOTES:
        raise ValueError(
            f"a tail needs {LEAST_VOTES} votes at a false match rate of at most {START_FMR:g}; the "
            f"{strongest.people_pairs} pairs of {strongest.people} people have {votes:.0f}"
        )
    inside = int(np.searchsorted(np.cumsum(strongest.votes), votes, side="right"))
    if inside >= strongest.cosines.size:
        raise ValueError(
            f"the tail takes {votes:.0f} votes, and the pairs kept have {strongest.votes.sum():.0f}"
        )
    return inside


def fit_tail(strongest: StrongestPairs, drawn: NDArray[np.int64] | None = None) -> Tail:
    """The tail of the strongest pairs; with `drawn` (people,), how often each person was drawn, that of the draw, from
    the same cosine up. ValueError as in tail_pairs and fit_pareto.
    """
    inside = tail_pairs(strongest)
    start = float(strongest.cosines[inside])
    votes = strongest.votes[:inside]
    total = float(strongest.people_pairs)
    if drawn is not None:
        votes = votes * (drawn[strongest.left_person[:inside]] * drawn[strongest.right_person[:inside]])
        total = drawn_people_pairs(drawn)
    excesses = fit_pareto(strongest.cosines[:inside] - start, votes)
    return Tail(start, float(votes.sum() / total), excesses, float(votes.sum()), inside)


def quantiles(tail: Tail, strongest: StrongestPairs, shares: tuple[float, ...] = SHARES) -> list[Quantile]:
    """Goodness of fit: observed beside fitted cosines, so far as the tail has the votes of one pair of people."""
    votes = np.cumsum(strongest.votes[: tail.pairs])
    found = []
    for share in shares:
        if share * tail.votes >= 1:
            at = min(int(np.searchsorted(votes, share * tail.votes)), tail.pairs - 1)
            fitted = min(1.0, tail.start + tail.excesses.excess(share))
            found.append(Quantile(share, float(strongest.cosines[at]), fitted))
    return found


def distance(tail: Tail, strongest: StrongestPairs) -> float:
    """The greatest difference (0..1) between the observed and the fitted share above a cosine within the tail, as of
    Kolmogorov and Smirnov; without a level of significance, since pairs that share people are not independent.
    """
    cosines = strongest.cosines[: tail.pairs]
    votes = np.cumsum(strongest.votes[: tail.pairs]) / tail.votes
    # Between two cosines the observed share is that of the pairs up to the higher one.
    last = np.flatnonzero(np.append(cosines[1:] != cosines[:-1], True))
    fitted = np.array([tail.excesses.surpassed(float(excess)) for excess in cosines[last] - tail.start])
    before = np.concatenate([[0.0], votes[last][:-1]])
    return float(max(np.abs(votes[last] - fitted).max(), np.abs(before - fitted).max()))
