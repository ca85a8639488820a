"""Two packs on the same pairs: is the difference more than chance? Exact and resampled tests; embeds nothing.

Both packs see the same people, so that most of what varies from one set of people to another is common to both and
falls out of the difference; comparing two separate intervals would waste that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluation.all_pairs.genuine import GenuinePairs
from evaluation.all_pairs.strongest import Floats, Integers, StrongestPairs
from evaluation.resampling import RESAMPLES, Interval, drawn_people_pairs, interval_of, people_draws


@dataclass(frozen=True)
class McNemar:
    """Pairs that only one of two packs judges rightly. p: the chance, 0..1, that they fall at least as unevenly when
    both packs are equally good.
    """

    only_a: int
    only_b: int
    both: int
    neither: int
    p: float


@dataclass(frozen=True)
class Difference:
    """A figure of two packs, each 0..1. value: b - a. interval: 95 %, over people. p: the chance, 0..1, of a difference
    so great or greater where there is none.
    """

    a: float
    b: float
    value: float
    interval: Interval
    p: float

    @property
    def half_width(self) -> float:
        """Half of the interval's width, the number behind the plus-minus sign."""
        return (self.interval.high - self.interval.low) / 2


@dataclass(frozen=True)
class PackScores:
    """What one pack gives to genuine pairs and to the strongest impostor pairs of the same people.

    listed: impostor pairs are those of a protocol, and a rate is a share of them; else they are the strongest of all
    pairs, and a rate is a share of all pairs of people.
    """

    genuine: GenuinePairs
    impostor: StrongestPairs
    listed: bool


def mcnemar(right_a: ArrayLike, right_b: ArrayLike) -> McNemar:
    """McNemar's test, exact: right_a, right_b (N,) bool say which pairs each pack judged rightly.

    The pairs that one alone has right are split as coins fall if both are equally good; p is two-sided, twice the
    binomial tail, at most 1 (McNemar 1947). It takes the pairs as independent. ValueError for other shapes or types,
    or no pairs.
    """
    a, b = np.asarray(right_a), np.asarray(right_b)
    if a.dtype != np.bool_ or b.dtype != np.bool_ or a.ndim != 1 or a.shape != b.shape or a.size == 0:
        raise ValueError(
            f"two bool arrays of one length above 0 are needed; got {a.dtype} {a.shape}, {b.dtype} {b.shape}"
        )
    only_a, only_b = int((a & ~b).sum()), int((~a & b).sum())
    both = int((a & b).sum())
    return McNemar(only_a, only_b, both, a.size - both - only_a - only_b, _coins(only_a, only_b))


def _coins(heads: int, tails: int) -> float:
    """min(1, 2 P(X <= min(heads, tails))) for X ~ Binomial(heads + tails, 1/2)."""
    total, few = heads + tails, min(heads, tails)
    if heads == tails:
        return 1.0
    term = math.exp(
        math.lgamma(total + 1) - math.lgamma(few + 1) - math.lgamma(total - few + 1) - total * math.log(2)
    )
    tail = 0.0
    for count in range(few, -1, -1):  # from the largest term down: the rest is soon nothing
        tail += term
        term *= count / (total - count + 1)
        if term < 1e-17 * tail:
            break
    return min(1.0, 2 * tail)


def accuracy_difference(
    right_a: NDArray[np.bool_],
    right_b: NDArray[np.bool_],
    left_person: Integers,
    right_person: Integers,
    people: int,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Difference:
    """Accuracy of two packs on the same pairs, (N,) each, with people 0..people-1 drawn anew.

    A genuine pair (both people one) counts as often as its person was drawn, an impostor pair the product of both. The
    p of the result is McNemar's.
    """
    test = mcnemar(right_a, right_b)
    samples = np.full(resamples, np.nan)
    same = left_person == right_person
    gain = right_b.astype(np.float64) - right_a.astype(np.float64)
    for sample, drawn in enumerate(people_draws(people, resamples, seed)):
        weights = np.where(same, drawn[left_person], drawn[left_person] * drawn[right_person])
        if weights.sum() > 0:
            samples[sample] = (weights * gain).sum() / weights.sum()
    a, b = float(right_a.mean()), float(right_b.mean())
    return Difference(a, b, b - a, interval_of(samples), test.p)


def tar_at(scores: PackScores, far: float, drawn: NDArray[Any] | None = None) -> float:
    """The share of genuine votes above the first impostor pair that must not pass, 0..1: the loosest threshold with a
    false accept rate of at most `far`. NaN for a draw without genuine or impostor pairs. ValueError where the impostor
    pairs that were kept all pass.
    """
    impostor, genuine = scores.impostor, scores.genuine
    votes = np.cumsum(impostor.votes_of(drawn))
    if scores.listed:
        total = float(votes[-1]) if votes.size else 0.0
    else:
        total = float(impostor.people_pairs) if drawn is None else drawn_people_pairs(drawn)
    own = genuine.votes if drawn is None else genuine.votes * drawn[genuine.person]
    if not total > 0 or not own.sum() > 0:
        return float("nan")
    first = int(np.searchsorted(votes, far * total * (1 + 1e-9), side="right"))
    if first == votes.size:
        if not scores.listed:
            raise ValueError(
                f"a false accept rate of {far:g} takes more than the {votes.size} impostor pairs kept, those down to a "
                f"cosine of {impostor.lowest:.4f}"
            )
        return 1.0
    above = int(np.searchsorted(genuine.cosines, impostor.cosines[first], side="right"))
    return float(own[above:].sum() / own.sum())


def tar_difference(
    a: PackScores, b: PackScores, far: float, *, resamples: int = RESAMPLES, seed: int = 0
) -> Difference:
    """TAR at a FAR of two packs on the same people, who are drawn anew for both at once; each pack takes its own
    threshold in each draw.

    p: twice the share of draws on the other side of 0, or on it, at least 2 / (draws + 1).
    """
    if a.genuine.people != b.genuine.people or a.impostor.people != b.impostor.people:
        raise ValueError(
            f"both packs must see the same people; a sees {a.genuine.people}, b {b.genuine.people}"
        )
    if not 0 < far < 1:
        raise ValueError(f"a false accept rate lies within 0..1 (both excluded), got {far}")
    samples = np.array(
        [
            tar_at(b, far, drawn) - tar_at(a, far, drawn)
            for drawn in people_draws(a.genuine.people, resamples, seed)
        ]
    )
    of_a, of_b = tar_at(a, far), tar_at(b, far)
    return Difference(of_a, of_b, of_b - of_a, interval_of(samples), _chance(samples))


def _chance(samples: Floats) -> float:
    known = samples[~np.isnan(samples)]
    if known.size == 0:
        return float("nan")
    other_side = min(int((known <= 0).sum()), int((known >= 0).sum()))
    return min(1.0, 2 * (1 + other_side) / (1 + known.size))


def sentence(what: str, a: str, b: str, difference: Difference) -> str:
    """The outcome in words: who is better by how many percentage points, and how often chance alone does that."""
    value, wide = 100 * abs(difference.value), 100 * difference.half_width
    chance = "less than 0.1" if difference.p < 0.001 else f"{100 * difference.p:.1f}"
    if difference.value == 0:
        return f"{what}: {a} and {b} are alike (difference 0 +- {wide:.2f} percentage points)."
    better, other = (b, a) if difference.value > 0 else (a, b)
    told = (
        f"{better} is better than" if difference.p < 0.05 else f"no difference is shown: {better} is ahead of"
    )
    return (
        f"{what}: {told} {other} by {value:.2f} +- {wide:.2f} percentage points; if both were equally good, a "
        f"difference of that size would arise by chance in {chance} % of such comparisons."
    )
