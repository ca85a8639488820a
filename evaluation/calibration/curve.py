"""From counted impostor pairs to a pack's calibration, cosine -> false match rate; embeds nothing, writes no
file.

The false match rate at a cosine is the share of impostor pairs at or above it (ISO/IEC 19795-1). Every pair
of people has one vote, shared by all pairs of their photos: LFW has 530 photos of one man and one photo of
most others, and unweighted he and his brother alone would decide the rates below 1e-5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.all_pairs.impostors import AllPairs, at_or_above, bin_edges
from evaluation.resampling import RESAMPLES, drawn_people_pairs, interval_of, people_draws
from faces.calibration import Calibration

ERRORS_NEEDED = 30
"""Rule of 30 (Doddington et al. 2000): with 30 errors the true rate lies within 30 % of the measured one, at
90 % confidence, if the trials are independent; here they are pairs of people.
"""

STEPS_PER_DECADE = 10


@dataclass(frozen=True)
class RateInterval:
    """A false match rate, 0..1, with the 95 % interval of a bootstrap over people, and what it counts.

    cosine: the threshold at which it holds. false_matches: pairs of photos; people_pairs: different pairs of
    people.
    """

    fmr: float
    low: float
    high: float
    cosine: float
    false_matches: int
    people_pairs: int


def calibrate(pairs: AllPairs, data: str) -> Calibration:
    """The calibration of counted pairs: ten points a decade from an FMR of .99 down to the floor.

    Each point is measured: its cosine is the lower edge of a bin and its rate the share of votes at or above
    that edge. The floor, the last point, is the lowest rate with ERRORS_NEEDED votes among the false matches,
    so with at least that many different pairs of people. data: what was measured, in words. ValueError where
    there are not so many pairs of people.
    """
    above = at_or_above(pairs.impostor_people)
    # Votes are sums of fractions: thirty whole ones may add up to a little less.
    enough = np.flatnonzero(above >= ERRORS_NEEDED - 1e-6)
    if enough.size == 0:
        raise ValueError(
            f"there are only {round(float(above[0]))} different pairs of people; a calibration needs "
            f"{ERRORS_NEEDED}: measure on more people"
        )
    edges = bin_edges()
    floor_bin = int(enough[-1])
    floor = float(above[floor_bin] / above[0])
    decades = np.arange(1, int(-np.log10(floor) * STEPS_PER_DECADE) + 1) / STEPS_PER_DECADE
    levels = np.concatenate([[0.99], 10.0**-decades])
    bins = [_lowest_bin(above, level) for level in levels[levels > floor]]
    chosen = [k for k in bins if above[k] > above[floor_bin]] + [floor_bin]
    distinct = [k for at, k in enumerate(chosen) if at == 0 or above[k] < above[chosen[at - 1]]]
    return Calibration(
        cosines=tuple(round(float(edges[k]), 4) for k in distinct),
        log10_fmr=tuple(float(np.log10(above[k] / above[0])) for k in distinct),
        data=data,
        pairs=int(pairs.impostor.sum()),
        # Three digits rounded down, so that the last point itself is not taken for an extrapolation.
        floor=float(f"{floor * 0.9995:.3g}"),
    )


def _lowest_bin(above: NDArray[np.float64], level: float) -> int:
    """The first bin at whose lower edge at most the share `level` of all votes passes."""
    return int(np.searchsorted(-above, -level * above[0], side="left"))


def rate_interval(
    level: float, pairs: AllPairs, people: Sequence[str], *, resamples: int = RESAMPLES, seed: int = 0
) -> RateInterval:
    """How sure the rate nearest below `level` (0..1) is, by a bootstrap over people.

    People are drawn with replacement and each pair of people weighs the product of its two people's draws,
    since pairs that share a person are not independent. ValueError where the strongest pairs were not kept
    down to the level.
    """
    at = _lowest_bin(at_or_above(pairs.impostor_people), level)
    cosine = round(float(bin_edges()[at]), 4)
    passing = [pair for pair in pairs.strongest if pair.cosine >= cosine]
    expected = int(at_or_above(pairs.impostor)[at])
    if abs(len(passing) - expected) > max(2, 0.001 * expected):
        raise ValueError(f"{expected} pairs pass at FMR {level:g}, but only {len(passing)} of them were kept")
    names, identity, photos = np.unique(np.asarray(people), return_inverse=True, return_counts=True)
    left = identity[[pair.left for pair in passing]].astype(np.int64)
    right = identity[[pair.right for pair in passing]].astype(np.int64)
    votes = 1.0 / (photos[left] * photos[right])
    between = interval_of(
        [
            (drawn[left] * drawn[right] * votes).sum() / drawn_people_pairs(drawn)
            for drawn in people_draws(names.size, resamples, seed)
        ]
    )
    people_pairs = len({frozenset((int(a), int(b))) for a, b in zip(left, right, strict=True)})
    fmr = float(votes.sum() / (names.size * (names.size - 1) / 2))
    return RateInterval(fmr, between.low, between.high, cosine, len(passing), people_pairs)


def fnmr_at(genuine_cosines: NDArray[np.float64], cosine: float) -> float:
    """The share of genuine cosines (G,) below a threshold, 0..1."""
    if genuine_cosines.size == 0:
        raise ValueError("a false non-match rate needs at least one genuine pair")
    return float(np.mean(genuine_cosines < cosine))
