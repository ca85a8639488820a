"""The cosines at which people are accepted today: from a pack's calibration, else counted on the data at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.all_pairs.impostors import AllPairs, at_or_above, bin_edges
from evaluation.all_pairs.strongest import MOST_PAIRS
from evaluation.calibration.curve import calibrate
from evaluation.embedding.sources import EmbeddingSource, PackEmbeddings

FMRS = (1e-2, 1e-3, 1e-4)


@dataclass(frozen=True)
class Operating:
    """points: (false match rate it stands for, cosine), falling rates. whence: where the cosines are from, in words."""

    points: tuple[tuple[float, float], ...]
    whence: str


def operating_points(
    source: EmbeddingSource, pairs: AllPairs, fmrs: Sequence[float] = FMRS, *, most: int = MOST_PAIRS
) -> Operating:
    """The thresholds of the source's own calibration, or where it has none those that `pairs` themselves give.

    A threshold that more than `most` of the pairs reach is left out, and said to be. ValueError where there is no
    calibration and the pairs are too few for one.
    """
    if isinstance(source, PackEmbeddings) and source.pack.calibration is not None:
        calibration, whence = source.pack.calibration, f"the calibration of {source.name}"
    else:
        calibration = calibrate(pairs, "")
        whence = f"these photos themselves, since {source.name} has no calibration"
    points = [(fmr, calibration.threshold(fmr)) for fmr in fmrs]
    kept = tuple(point for point in points if reached(pairs, point[1]) <= most)
    if len(kept) < len(points):
        left_out = ", ".join(f"{fmr:g}" for fmr, cosine in points if (fmr, cosine) not in kept)
        whence += f"; {left_out} left out, where more than {most:,} pairs pass"
    return Operating(kept, whence)


def reached(pairs: AllPairs, cosine: float) -> int:
    """How many impostor pairs of photos lie at or above the lower edge of the bin that a cosine is in."""
    at = int(np.clip(np.searchsorted(bin_edges(), cosine, side="right") - 1, 0, None))
    return int(at_or_above(pairs.impostor)[at])
