"""One-to-one figures from pair scores (accuracy, ROC, TAR at a FAR, EER); knows no image, model or dataset.

A pair is accepted when its score is at or above the threshold. FMR (FAR) is the share of impostor pairs
accepted, FNMR the share of genuine pairs rejected, TAR = 1 - FNMR. Terms as in ISO/IEC 19795-1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Scores = NDArray[np.float64]
Labels = NDArray[np.bool_]


@dataclass(frozen=True)
class FoldAccuracy:
    """Accuracy by cross-validation; every rate is 0..1.

    standard_deviation: over the folds' accuracies, n - 1 in the denominator. standard_error: that divided by
    the square root of the number of folds; this is the figure LFW asks for (Huang et al. 2007, technical
    report 07-49). accuracies, thresholds: one a fold; a fold's threshold was chosen on all the other folds.
    """

    mean: float
    standard_deviation: float
    standard_error: float
    accuracies: tuple[float, ...]
    thresholds: tuple[float, ...]
    pairs: int


@dataclass(frozen=True)
class Roc:
    """Operating points from the strictest to the loosest, one for each distinct score and one that accepts
    nothing.

    thresholds: (P,) float64, strictly falling; the first is +inf. false_match_rate, true_match_rate: (P,)
    float64, 0..1, never falling; the last of both is 1. genuine, impostor: how many pairs of each the rates
    were counted on.
    """

    thresholds: NDArray[np.float64]
    false_match_rate: NDArray[np.float64]
    true_match_rate: NDArray[np.float64]
    genuine: int
    impostor: int


@dataclass(frozen=True)
class OperatingPoint:
    """What a threshold costs. far: the rate asked for, 0..1; measured_far: the rate reached, at most `far`.

    tar: 0..1. false_matches: impostor pairs accepted. supported: whether at least one impostor pair was
    allowed to pass, so that the rate asked for could be told from zero on this data.
    """

    far: float
    measured_far: float
    tar: float
    threshold: float
    false_matches: int
    supported: bool


def checked_pairs(scores: ArrayLike, same: ArrayLike) -> tuple[Scores, Labels]:
    """Scores (N,) and labels (N,) as arrays; ValueError where they do not fit, are not finite, or miss a
    class.
    """
    values = np.asarray(scores, dtype=np.float64)
    labels = np.asarray(same)
    if labels.dtype != np.bool_:
        raise ValueError(f"same must be bool, one for each pair; its dtype is {labels.dtype}")
    if values.ndim != 1 or values.shape != labels.shape:
        raise ValueError(
            f"scores and same must be of one length; their shapes are {values.shape} and {labels.shape}"
        )
    if not np.isfinite(values).all():
        where = int(np.flatnonzero(~np.isfinite(values))[0])
        raise ValueError(f"score {where} is {values[where]}; every score must be finite")
    genuine = int(labels.sum())
    if genuine == 0 or genuine == labels.size:
        missing = "genuine" if genuine == 0 else "impostor"
        raise ValueError(f"there is no {missing} pair among the {labels.size}; both kinds are needed")
    return values, labels


def best_threshold(scores: ArrayLike, same: ArrayLike) -> float:
    """The threshold with the highest accuracy on scores (N,), same (N,) bool; O(N log N) and exact.

    It lies midway between two neighbouring scores. Among equally good thresholds the highest is taken, which
    lets the fewest strangers through; at the ends it is the lowest score (accept all) or just above the
    highest (accept none).
    """
    values, labels = checked_pairs(scores, same)
    levels, inverse = np.unique(values, return_inverse=True)
    genuine_at = np.bincount(inverse, weights=labels, minlength=levels.size)
    impostor_at = np.bincount(inverse, weights=~labels, minlength=levels.size)
    # correct[c]: pairs judged rightly when exactly the levels c.. are accepted, for c = 0..levels.size
    accepted_genuine = np.concatenate([np.cumsum(genuine_at[::-1])[::-1], [0.0]])
    rejected_impostor = np.concatenate([[0.0], np.cumsum(impostor_at)])
    correct = accepted_genuine + rejected_impostor
    cut = int(correct.size - 1 - np.argmax(correct[::-1]))
    if cut == 0:
        return float(levels[0])
    if cut == levels.size:
        return float(np.nextafter(levels[-1], np.inf))
    below, above = float(levels[cut - 1]), float(levels[cut])
    middle = below + (above - below) / 2
    return middle if below < middle <= above else above


def fold_accuracy(scores: ArrayLike, same: ArrayLike, folds: ArrayLike) -> FoldAccuracy:
    """Cross-validated accuracy: each fold is judged with the threshold that is best on all the others.

    scores (N,), same (N,) bool, folds (N,) int: which fold a pair belongs to. ValueError with fewer than two
    folds, or where all pairs outside one fold are of one kind.
    """
    values, labels = checked_pairs(scores, same)
    fold_of = np.asarray(folds)
    if fold_of.shape != values.shape:
        raise ValueError(
            f"folds must name a fold for each of {values.size} pairs; its shape is {fold_of.shape}"
        )
    names = np.unique(fold_of)
    if names.size < 2:
        raise ValueError(f"cross-validation needs at least two folds; there is {names.size}")
    accuracies, thresholds = [], []
    for name in names:
        held = fold_of == name
        threshold = best_threshold(values[~held], labels[~held])
        accuracies.append(float(np.mean((values[held] >= threshold) == labels[held])))
        thresholds.append(threshold)
    deviation = float(np.std(accuracies, ddof=1))
    return FoldAccuracy(
        mean=float(np.mean(accuracies)),
        standard_deviation=deviation,
        standard_error=deviation / float(np.sqrt(names.size)),
        accuracies=tuple(accuracies),
        thresholds=tuple(thresholds),
        pairs=values.size,
    )


def roc(scores: ArrayLike, same: ArrayLike) -> Roc:
    """Every operating point of scores (N,), same (N,) bool; O(N log N), tied scores pass together."""
    values, labels = checked_pairs(scores, same)
    order = np.argsort(-values, kind="stable")
    ranked = values[order]
    true_matches = np.cumsum(labels[order])
    false_matches = np.cumsum(~labels[order])
    last_of_level = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    genuine, impostor = int(true_matches[-1]), int(false_matches[-1])
    return Roc(
        thresholds=np.concatenate([[np.inf], ranked[last_of_level]]),
        false_match_rate=np.concatenate([[0.0], false_matches[last_of_level] / impostor]),
        true_match_rate=np.concatenate([[0.0], true_matches[last_of_level] / genuine]),
        genuine=genuine,
        impostor=impostor,
    )


def tar_at_far(curve: Roc, far: float) -> OperatingPoint:
    """The loosest measured point whose FMR does not exceed `far` (0..1); no interpolation, so it never
    flatters.
    """
    if not 0.0 <= far <= 1.0:
        raise ValueError(f"a false accept rate lies in 0..1; {far} was asked for")
    # Counts instead of rates: 3 of 3,000 must meet a FAR of 1e-3 whatever the rounding of the division.
    allowed = int(np.floor(far * curve.impostor + 1e-9))
    counts = np.rint(curve.false_match_rate * curve.impostor).astype(np.int64)
    at = int(np.searchsorted(counts, allowed, side="right")) - 1
    return OperatingPoint(
        far=far,
        measured_far=float(curve.false_match_rate[at]),
        tar=float(curve.true_match_rate[at]),
        threshold=float(curve.thresholds[at]),
        false_matches=int(counts[at]),
        supported=allowed >= 1,
    )


def equal_error_rate(curve: Roc) -> float:
    """Where FMR = FNMR, 0..1, on the straight line between the two points that enclose the crossing."""
    gap = curve.false_match_rate + curve.true_match_rate - 1.0  # FMR - FNMR, from -1 up to 1
    after = int(np.argmax(gap >= 0.0))
    before = after - 1
    share = -gap[before] / (gap[after] - gap[before])
    rates = curve.false_match_rate
    return float(rates[before] + share * (rates[after] - rates[before]))


def equal_error_threshold(curve: Roc) -> float:
    """The measured threshold whose FMR and FNMR differ least, the strictest of equals; +inf where accepting nothing is.

    The equal error rate itself lies between measured points; this is where pairs can be told accepted from rejected.
    """
    gap = np.abs(curve.false_match_rate + curve.true_match_rate - 1.0)
    return float(curve.thresholds[int(np.argmin(gap))])


def pair_cosines(embeddings: NDArray[Any], left: ArrayLike, right: ArrayLike) -> Scores:
    """Cosines of pairs: embeddings (N, D) unit rows, left and right (P,) row numbers -> (P,) -1..1."""
    rows = np.asarray(embeddings, dtype=np.float64)
    cosines: Scores = np.einsum("pd,pd->p", rows[np.asarray(left)], rows[np.asarray(right)])
    return np.clip(cosines, -1.0, 1.0)
