"""Two sets of photos under one pack: how cosines moved, and what a threshold is worth on each; it explains nothing.

Mean cosines follow from each person's mean embedding m and number of photos n without any pair being looked at: the
mean over the pairs of photos of persons p and q is m_p . m_q, and over the pairs of p's own photos it is
(n |m_p|^2 - 1) / (n - 1), for unit rows. So they are exact, and cheap to draw anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.all_pairs.genuine import GenuinePairs
from evaluation.all_pairs.impostors import require_finite
from evaluation.all_pairs.rates import Rate
from evaluation.all_pairs.strongest import Floats, Integers, StrongestPairs
from evaluation.resampling import RESAMPLES, Interval, drawn_people_pairs, interval_of, people_draws


@dataclass(frozen=True)
class PhotoSet:
    """One of the two sets. embeddings: (N, D) unit rows; people: (N,) names."""

    embeddings: NDArray[Any]
    people: Sequence[str]
    genuine: GenuinePairs
    strongest: StrongestPairs


@dataclass(frozen=True)
class Shift:
    """Mean cosines before and after, -1..1; change: after - before, with its 95 % interval over people."""

    before: float
    after: float
    change: float
    interval: Interval

    @property
    def beyond_chance(self) -> bool:
        """Whether the interval leaves out 0."""
        return not (self.interval.low <= 0 <= self.interval.high) and not np.isnan(self.interval.low)


@dataclass(frozen=True)
class RateShift:
    """A rate before and after at one cosine; ratio: after / before with its 95 % interval, NaN where either is 0."""

    fmr: float
    cosine: float
    before: Rate
    after: Rate
    ratio: float
    ratio_interval: Interval


@dataclass(frozen=True)
class Drift:
    """genuine: None where one of the sets has nobody with two photos; false_non_match is then empty.

    impostor: each pair of people one vote; genuine: each person one vote. across: the mean cosine of a person's photos
    before with the same person's photos after, with its interval, None where no person is in both. shared: people in
    both. false_match and false_non_match: one for each threshold.
    """

    impostor: Shift
    genuine: Shift | None
    across: tuple[float, Interval] | None
    shared: int
    false_match: tuple[RateShift, ...]
    false_non_match: tuple[RateShift, ...]


@dataclass(frozen=True)
class _Means:
    """Of one set. at: (P,) where its people, sorted, stand among those of both sets. mean: (P, D) float64, their mean
    embeddings. own: (P,) mean cosine of their own pairs of photos, NaN with one photo.
    """

    at: Integers
    mean: Floats
    own: Floats

    def impostor(self, drawn: NDArray[Any]) -> float:
        weights = drawn[self.at].astype(np.float64)
        pairs = 2 * drawn_people_pairs(weights)
        if not pairs > 0:
            return float("nan")
        together = weights @ self.mean
        alone = (weights**2) @ (self.mean**2).sum(axis=1)
        return float((together @ together - alone) / pairs)

    def genuine(self, drawn: NDArray[Any]) -> float:
        known = ~np.isnan(self.own)
        return _weighted(self.own[known], drawn[self.at][known])


def drift(
    before: PhotoSet,
    after: PhotoSet,
    thresholds: Sequence[tuple[float, float]],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Drift:
    """Compares two sets at thresholds (false match rate it stands for, cosine).

    People are drawn once for both sets, so that a person in both counts equally often in both and what is common to
    them falls out of the change; people of one set alone are independent of the other's. ValueError where a set has
    fewer than two people.
    """
    names = np.union1d(np.asarray(before.people), np.asarray(after.people))
    first, second = _means(before, names), _means(after, names)
    both = ((before, first), (after, second))
    draws = list(people_draws(names.size, resamples, seed))
    once = np.ones(names.size, np.int64)
    has_genuine = bool(before.genuine.cosines.size and after.genuine.cosines.size)
    return Drift(
        impostor=_shift(first.impostor(once), second.impostor(once), _change(first, second, draws)),
        genuine=_shift(first.genuine(once), second.genuine(once), _own_change(first, second, draws))
        if has_genuine
        else None,
        across=_across(first, second, draws),
        shared=int(np.intersect1d(first.at, second.at).size),
        false_match=tuple(
            _rate_shift(fmr, cosine, [_matches(photos, means, cosine, draws) for photos, means in both])
            for fmr, cosine in thresholds
        ),
        false_non_match=tuple(
            _rate_shift(fmr, cosine, [_non_matches(photos, means, cosine, draws) for photos, means in both])
            for fmr, cosine in thresholds
        )
        if has_genuine
        else (),
    )


def _means(photos: PhotoSet, names: NDArray[np.str_]) -> _Means:
    people, identity, counts = np.unique(np.asarray(photos.people), return_inverse=True, return_counts=True)
    if people.size < 2:
        raise ValueError(f"a set needs at least two people; one has {people.size}")
    rows = np.asarray(photos.embeddings, np.float64)
    require_finite(rows)
    sums = np.zeros((people.size, rows.shape[1]))
    np.add.at(sums, identity, rows)
    squares = np.bincount(identity, weights=(rows**2).sum(axis=1))
    own = np.full(people.size, np.nan)
    several = counts > 1
    pairs = (counts * (counts - 1))[several]
    own[several] = ((sums[several] ** 2).sum(axis=1) - squares[several]) / pairs
    return _Means(np.searchsorted(names, people), sums / counts[:, None], own)


def _shift(before: float, after: float, changes: Floats) -> Shift:
    return Shift(before, after, after - before, interval_of(changes))


def _change(first: _Means, second: _Means, draws: Sequence[Integers]) -> Floats:
    return np.array([second.impostor(drawn) - first.impostor(drawn) for drawn in draws])


def _own_change(first: _Means, second: _Means, draws: Sequence[Integers]) -> Floats:
    return np.array([second.genuine(drawn) - first.genuine(drawn) for drawn in draws])


def _across(first: _Means, second: _Means, draws: Sequence[Integers]) -> tuple[float, Interval] | None:
    shared, in_first, in_second = np.intersect1d(first.at, second.at, return_indices=True)
    if shared.size == 0:
        return None
    cosines = (first.mean[in_first] * second.mean[in_second]).sum(axis=1)
    samples = [_weighted(cosines, drawn[shared]) for drawn in draws]
    return float(cosines.mean()), interval_of(samples)


def _matches(
    photos: PhotoSet, means: _Means, cosine: float, draws: Sequence[Integers]
) -> tuple[Rate, Floats]:
    """The false match rate of one set, and that of each draw (R,)."""
    pairs, passing = photos.strongest, photos.strongest.passing(cosine)
    left = means.at[pairs.left_person[:passing]]
    right = means.at[pairs.right_person[:passing]]
    votes = pairs.votes[:passing]
    samples = np.array(
        [
            _divided((votes * drawn[left] * drawn[right]).sum(), drawn_people_pairs(drawn[means.at]))
            for drawn in draws
        ]
    )
    return Rate.of(float(votes.sum() / pairs.people_pairs), samples, pairs.people_pairs), samples


def _non_matches(
    photos: PhotoSet, means: _Means, cosine: float, draws: Sequence[Integers]
) -> tuple[Rate, Floats]:
    """The false non-match rate of one set, and that of each draw (R,)."""
    genuine = photos.genuine
    samples = np.array([genuine.false_non_match_rate(cosine, drawn[means.at]) for drawn in draws])
    trials = int(genuine.compared().sum())
    return Rate.of(genuine.false_non_match_rate(cosine), samples, trials), samples


def _rate_shift(fmr: float, cosine: float, measured: Sequence[tuple[Rate, Floats]]) -> RateShift:
    (before, samples_before), (after, samples_after) = measured
    if before.value == 0 or after.value == 0:
        return RateShift(fmr, cosine, before, after, float("nan"), interval_of([]))
    # Draws in which either set has no error have no ratio that is a number.
    divisor = np.where((samples_before > 0) & (samples_after > 0), samples_before, np.nan)
    ratios = interval_of(samples_after / divisor)
    return RateShift(fmr, cosine, before, after, after.value / before.value, ratios)


def _weighted(values: Floats, weights: NDArray[Any]) -> float:
    total = weights.sum()
    return float((values * weights).sum() / total) if total > 0 else float("nan")


def _divided(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else float("nan")
