"""Similarity, 0 to 100: the false match rate of one comparison on the scale that callers of AWS set thresholds by.

With m = -log10(FMR): 0 at m = 0, 80 at m = 3 (one false match in a thousand comparisons), 99 at m = 6 (one in a
million), linear between; beyond, every three levels take nine tenths of what is left to 100. It measures nothing: the
rates are the pack's calibration.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from faces.calibration import Calibration
from faces.pack import ModelPack
from serving.rekognition.errors import AwsError

POINTS = ((0.0, 0.0), (3.0, 80.0), (6.0, 99.0))
"""(match level, similarity)."""

LAST_LEVEL, LAST_SIMILARITY = POINTS[-1]
TENFOLD = 3.0
"""Levels beyond the last point in which the distance to 100 becomes a tenth."""

IDENTICAL = 0.9995
"""A cosine that only the same picture of the same face reaches, stored at half precision: similarity 100."""


def similarity_of_level(level: float) -> float:
    """0 <= level < infinity to 0..100; rises strictly, until 100 is the nearest number."""
    if level >= LAST_LEVEL:
        left: float = 10.0 ** (-(level - LAST_LEVEL) / TENFOLD)
        return 100.0 - (100.0 - LAST_SIMILARITY) * left
    for (low, below), (high, above) in pairwise(POINTS):
        if level < high:
            return below + (above - below) * (max(level, low) - low) / (high - low)
    raise AssertionError(f"level {level} is no number")


def level_of_similarity(similarity: float) -> float:
    """The inverse: 0..100 to a match level, infinity at 100."""
    if similarity >= 100.0:
        return math.inf
    if similarity >= LAST_SIMILARITY:
        return LAST_LEVEL - TENFOLD * math.log10((100.0 - similarity) / (100.0 - LAST_SIMILARITY))
    for (low, below), (high, above) in pairwise(POINTS):
        if similarity < above:
            return low + (high - low) * (max(similarity, below) - below) / (above - below)
    raise AssertionError(f"similarity {similarity} is no number")


@dataclass(frozen=True)
class Similarities:
    """The scale of one pack, by its name and its calibration."""

    pack: str
    calibration: Calibration | None

    @classmethod
    def of(cls, pack: ModelPack) -> Similarities:
        """The scale of a pack."""
        return cls(pack.name, pack.calibration)

    def similarity(self, cosine: float) -> float:
        """0..100, never falling with the cosine (-1..1). Raises AwsError where the pack has no calibration."""
        if cosine >= IDENTICAL:
            return 100.0
        return similarity_of_level(self._calibrated().match_level(cosine))

    def threshold(self, similarity: float) -> float:
        """The lowest cosine of that similarity (0..100), -1 for 0. Raises AwsError as `similarity`, but not for 0."""
        if similarity <= 0:
            return -1.0
        level = level_of_similarity(similarity)
        if math.isinf(level):
            return IDENTICAL
        return min(IDENTICAL, self._calibrated().threshold(10.0**-level))

    def _calibrated(self) -> Calibration:
        if self.calibration is None:
            message = (
                f"The model pack {self.pack!r} has no calibration, so there is no similarity to tell: serve a pack "
                "that has one, or calibrate this one on photos of your own."
            )
            raise AwsError("InvalidParameterException", message)
        return self.calibration
