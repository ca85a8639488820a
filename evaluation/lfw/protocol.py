"""The LFW protocol from embeddings to figures: unrestricted, labelled outside data, all 6,000 pairs; embeds
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.datasets.lfw import Pair
from evaluation.embedding.pipeline import EmbeddedSet
from evaluation.verification.measures import (
    FoldAccuracy,
    OperatingPoint,
    Roc,
    Scores,
    equal_error_rate,
    fold_accuracy,
    pair_cosines,
    roc,
    tar_at_far,
)

FARS = (1e-1, 1e-2, 1e-3)
"""Rates that 3,000 impostor pairs can tell from zero."""


@dataclass(frozen=True)
class FaceChoice:
    """How often it mattered which face of a photo is its subject.

    no_face: photos where none was found; their central part was embedded and their pairs count like all
    others. several: photos with more than one. not_largest: photos whose face nearest the middle is not their
    largest. pairs: protocol pairs with such a photo. accuracy_of_largest: ten-fold accuracy, 0..1, had the
    largest been taken.
    """

    no_face: int
    several: int
    not_largest: int
    pairs: int
    accuracy_of_largest: float


@dataclass(frozen=True)
class LfwFigures:
    """What the protocol gives. genuine: (G,) float64, the genuine cosines, for rates at other thresholds."""

    accuracy: FoldAccuracy
    operating_points: tuple[OperatingPoint, ...]
    equal_error_rate: float
    choice: FaceChoice
    curve: Roc
    genuine: Scores


def lfw_figures(pairs: tuple[Pair, ...], embedded: EmbeddedSet) -> LfwFigures:
    """All figures of the pairs; every name they hold must be among the embedded images."""
    rows = embedded.rows
    left = np.array([rows[pair.left] for pair in pairs])
    right = np.array([rows[pair.right] for pair in pairs])
    same = np.array([pair.same for pair in pairs])
    folds = np.array([pair.fold for pair in pairs])
    cosines = pair_cosines(embedded.central, left, right)
    of_largest = pair_cosines(embedded.largest, left, right)
    other = _not_largest(embedded)
    curve = roc(cosines, same)
    return LfwFigures(
        accuracy=fold_accuracy(cosines, same, folds),
        operating_points=tuple(tar_at_far(curve, far) for far in FARS),
        equal_error_rate=equal_error_rate(curve),
        choice=FaceChoice(
            no_face=int((embedded.faces == 0).sum()),
            several=int((embedded.faces > 1).sum()),
            not_largest=int(other.sum()),
            pairs=int((other[left] | other[right]).sum()),
            accuracy_of_largest=fold_accuracy(of_largest, same, folds).mean,
        ),
        curve=curve,
        genuine=cosines[same],
    )


def _not_largest(embedded: EmbeddedSet) -> NDArray[np.bool_]:
    differ: NDArray[np.bool_] = (embedded.central != embedded.largest).any(axis=1)
    return differ
