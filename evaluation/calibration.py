"""From counted impostor pairs to the curve cosine -> false match rate and the lowest rate the data can vouch
for; embeds nothing and writes no file.

The false match rate at a cosine is the share of impostor pairs at or above it (ISO/IEC 19795-1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.impostors import Counts, StrongPair, at_or_above, bin_edges
from faces.calibration import Calibration

ERRORS_NEEDED = 30
"""Rule of 30 (Doddington et al. 2000): with 30 errors the true rate lies within 30 % of the measured one, at
90 % confidence, if the trials are independent.
"""

STEPS_PER_DECADE = 10


@dataclass(frozen=True)
class RateInterval:
    """A false match rate, 0..1, with the 95 % interval of a bootstrap over people, and what it counts.

    cosine: the lowest threshold at which it holds. false_matches: image pairs; people_pairs: different pairs
    of people.
    """

    fmr: float
    low: float
    high: float
    cosine: float
    false_matches: int
    people_pairs: int


def calibrate(
    impostor: Counts, strongest: Sequence[StrongPair], people: Sequence[str], data: str
) -> Calibration:
    """The calibration of impostor counts (BINS,): ten points a decade from an FMR of .99 down to the floor.

    Each point is a count: its cosine is the lower edge of a bin and its rate the share of pairs at or above
    that edge. The floor, the last point, is the lowest rate with ERRORS_NEEDED different pairs of people
    among its false matches. strongest: the strongest impostor pairs, falling; people: the name of every row
    they refer to; data: what was measured, in words. ValueError where they show fewer different pairs of
    people.
    """
    total = int(impostor.sum())
    above = at_or_above(impostor)
    edges = bin_edges()
    floor_bin = _floor_bin(strongest, people, above)
    floor = float(above[floor_bin]) / total
    decades = np.arange(1, int(-np.log10(floor) * STEPS_PER_DECADE) + 1) / STEPS_PER_DECADE
    levels = np.concatenate([[0.99], 10.0**-decades])
    bins = [_lowest_bin(above, level) for level in levels[levels > floor]]
    chosen = [k for k in bins if above[k] > above[floor_bin]] + [floor_bin]
    distinct = [k for at, k in enumerate(chosen) if at == 0 or above[k] < above[chosen[at - 1]]]
    return Calibration(
        cosines=tuple(round(float(edges[k]), 4) for k in distinct),
        log10_fmr=tuple(float(np.log10(above[k] / total)) for k in distinct),
        data=data,
        pairs=total,
        # Three digits rounded down, so that the last point itself is not taken for an extrapolation.
        floor=float(f"{floor * 0.9995:.3g}"),
    )


def _lowest_bin(above: Counts, level: float) -> int:
    """The first bin at whose lower edge at most the share `level` of all pairs passes."""
    return int(np.searchsorted(-above, -level * above[0], side="left"))


def _floor_bin(strongest: Sequence[StrongPair], people: Sequence[str], above: Counts) -> int:
    """The bin whose lower edge still lets ERRORS_NEEDED different pairs of people pass.

    People and not images are counted: forty photos of one man who resembles another are one coincidence, not
    forty.
    """
    seen: set[frozenset[str]] = set()
    for pair in strongest:
        seen.add(frozenset((people[pair.left], people[pair.right])))
        if len(seen) == ERRORS_NEEDED:
            return int(np.searchsorted(bin_edges(), pair.cosine, side="right")) - 1
    raise ValueError(
        f"only {len(seen)} different pairs of people were given among {int(above[0])} impostor pairs; "
        f"a calibration needs {ERRORS_NEEDED}: measure on more people"
    )


def rate_interval(
    level: float,
    impostor: Counts,
    strongest: Sequence[StrongPair],
    people: Sequence[str],
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> RateInterval:
    """How sure the rate nearest below `level` (0..1) is, by a bootstrap over people.

    People are drawn with replacement and each pair weighs the product of its two people's draws, since image
    pairs that share a person are not independent. `strongest` must reach down to the level: ValueError where
    it does not.
    """
    total = int(impostor.sum())
    above = at_or_above(impostor)
    at = _lowest_bin(above, level)
    cosine = round(float(bin_edges()[at]), 4)
    passing = [pair for pair in strongest if pair.cosine >= cosine]
    if abs(len(passing) - int(above[at])) > max(2, 0.001 * above[at]):
        raise ValueError(
            f"{above[at]} pairs pass at FMR {level:g}, but only {len(passing)} of the strongest were given"
        )
    names, identity, photos = np.unique(np.asarray(people), return_inverse=True, return_counts=True)
    left = identity[[pair.left for pair in passing]].astype(np.int64)
    right = identity[[pair.right for pair in passing]].astype(np.int64)
    draw = np.random.default_rng(seed)
    rates = np.empty(resamples)
    for at_sample in range(resamples):
        weights = np.bincount(draw.integers(0, names.size, names.size), minlength=names.size)
        weighted = weights * photos
        pairs = (weighted.sum() ** 2 - (weighted**2).sum()) / 2
        rates[at_sample] = (weights[left] * weights[right]).sum() / pairs
    low, high = np.quantile(rates, [0.025, 0.975])
    people_pairs = {frozenset((int(a), int(b))) for a, b in zip(left, right, strict=True)}
    return RateInterval(
        len(passing) / total, float(low), float(high), cosine, len(passing), len(people_pairs)
    )


def fnmr_at(genuine_cosines: NDArray[np.float64], cosine: float) -> float:
    """The share of genuine cosines (G,) below a threshold, 0..1."""
    if genuine_cosines.size == 0:
        raise ValueError("a false non-match rate needs at least one genuine pair")
    return float(np.mean(genuine_cosines < cosine))
