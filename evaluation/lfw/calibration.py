"""A pack's calibration on all pairs of different people in LFW; embeds nothing and writes no manifest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.all_pairs.impostors import AllPairs, count_all_pairs
from evaluation.calibration.curve import RateInterval, calibrate, fnmr_at, rate_interval
from evaluation.datasets.lfw import person_of
from evaluation.datasets.lfw_label_errors import corrected
from evaluation.embedding.pipeline import EmbeddedSet
from evaluation.verification.measures import Scores
from faces.calibration import Calibration

LEVELS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
STRONGEST = 25_000
"""Impostor pairs kept by name: enough for intervals from an FMR of 1e-4 down on LFW's 87 million pairs."""


@dataclass(frozen=True)
class Level:
    """One row of the table a user chooses from.

    fmr: 0..1; cosine: the threshold for it; extrapolated: below what the data supports; fnmr: share of the
    protocol's 3,000 genuine pairs rejected there; interval: of the rate at that threshold, None where not
    computed.
    """

    fmr: float
    cosine: float
    extrapolated: bool
    fnmr: float
    interval: RateInterval | None


@dataclass(frozen=True)
class LfwCalibration:
    """images, people: counted; excluded: photos left out for their labels.

    strongest: (left name, right name, cosine) of the most alike different people, falling.
    """

    calibration: Calibration
    levels: tuple[Level, ...]
    images: int
    people: int
    excluded: int
    strongest: tuple[tuple[str, str, float], ...]


def lfw_calibration(
    sets: Sequence[EmbeddedSet],
    genuine: Scores,
    *,
    shown: int = 40,
    exclude_errors: bool = True,
    progress: Callable[[int], None] | None = None,
) -> LfwCalibration:
    """Counts all pairs over the sets together. genuine: (G,) cosines of the protocol's genuine pairs."""
    names = [name for embedded in sets for name in embedded.names]
    rows = np.concatenate([embedded.central for embedded in sets])
    keep, people = corrected(names, as_labelled=not exclude_errors)
    kept_names = [names[at] for at in keep]
    pairs = count_all_pairs(rows[keep], people, strongest=STRONGEST, progress=progress)
    excluded = len(names) - len(keep)
    data = (
        f"LFW deep-funneled: {int(pairs.impostor.sum())} pairs of different people, all among {len(keep)} photos "
        f"of {len(set(people))} people, each pair of people with one vote"
    )
    merged = len({person_of(name) for name in kept_names}) - len(set(people))
    if excluded or merged:
        data += f"; {excluded} photos with wrong labels left out, {merged} second names of one person merged"
    calibration = calibrate(pairs, data)
    return LfwCalibration(
        calibration=calibration,
        levels=tuple(_level(fmr, calibration, pairs, people, genuine) for fmr in LEVELS),
        images=len(keep),
        people=len(set(people)),
        excluded=excluded,
        strongest=tuple(
            (kept_names[pair.left], kept_names[pair.right], pair.cosine) for pair in pairs.strongest[:shown]
        ),
    )


def _level(
    fmr: float, calibration: Calibration, pairs: AllPairs, people: Sequence[str], genuine: Scores
) -> Level:
    cosine = calibration.threshold(fmr)
    extrapolated = fmr < calibration.floor
    reached = bool(pairs.strongest) and pairs.strongest[-1].cosine < cosine
    interval = rate_interval(fmr, pairs, people) if reached and not extrapolated else None
    return Level(fmr, cosine, extrapolated, fnmr_at(genuine, cosine), interval)
