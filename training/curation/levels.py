"""Which cosine means what in a report: from the pack's calibration, for as many comparisons as are made."""

from __future__ import annotations

from dataclasses import dataclass

from faces.calibration import Calibration
from faces.pack import ModelPack
from training.curation.errors import CurationError

STRANGER = 1e-2
"""A cosine that one in a hundred strangers reaches. A face under it to the rest of its identity looks like a
stranger's: in LFW 15 of 3,339 faces lie there, and nearly all of them do show somebody else."""
AGREE = 1e-3
"""Faces that agree with one another reach what one in a thousand strangers does."""


@dataclass(frozen=True)
class Levels:
    """The cosines of one pack. tolerated: false alarms that a whole search may be expected to raise."""

    calibration: Calibration
    tolerated: float = 0.1

    @property
    def stranger(self) -> float:
        return self.calibration.threshold(STRANGER)

    @property
    def agree(self) -> float:
        return self.calibration.threshold(AGREE)

    def match(self, comparisons: int) -> float:
        """The median cosine between two groups of faces that makes one person of them, among so many comparisons.

        Where half of the pairs reach a cosine of rate f, the chance of that is at most 2 f (Markov's inequality),
        however much the pairs depend on one another; the sum over all comparisons is `tolerated` at most.
        """
        return self.calibration.threshold(min(1.0, self.tolerated / (2 * max(comparisons, 1))))


def levels_of(pack: ModelPack, tolerated: float) -> Levels:
    """CurationError where the pack has no calibration."""
    if pack.calibration is None:
        raise CurationError(
            f"the pack {pack.name} has no calibration, so no cosine of its has a meaning; "
            "run  cocircle evaluate lfw --calibrate  with it, or choose another --pack"
        )
    if tolerated <= 0:
        raise CurationError(f"the false alarms to tolerate must be more than 0; they are {tolerated}")
    return Levels(pack.calibration, tolerated)
