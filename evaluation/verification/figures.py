"""All figures of a 1:1 set from its cosines: accuracy, TAR at FAR, EER, intervals; embeds and reads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluation.resampling import Interval
from evaluation.verification.intervals import PairIntervals, pair_intervals
from evaluation.verification.measures import (
    FoldAccuracy,
    OperatingPoint,
    Roc,
    checked_pairs,
    equal_error_rate,
    equal_error_threshold,
    fold_accuracy,
    roc,
    tar_at_far,
)

FARS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)


@dataclass(frozen=True)
class PairFigures:
    """accuracy: None without folds. points: one for each FAR; those not `supported` are no measurements.
    equal_error_threshold: a cosine, +inf where accepting nothing comes closest. intervals: `tar` beside `points`.
    """

    accuracy: FoldAccuracy | None
    points: tuple[OperatingPoint, ...]
    equal_error_rate: float
    equal_error_threshold: float
    curve: Roc
    intervals: PairIntervals

    def tar_interval(self, at: int) -> Interval | None:
        """Of point `at`; None where it is not supported, or too few resamples could be judged."""
        return self.intervals.tar[at] if self.points[at].supported else None


def pair_figures(
    cosines: ArrayLike,
    same: ArrayLike,
    folds: ArrayLike | None,
    *,
    people: tuple[ArrayLike, ArrayLike] | None = None,
    fars: Sequence[float] = FARS,
    resamples: int = 1000,
    seed: int = 0,
) -> PairFigures:
    """Of cosines (N,), same (N,) bool, folds (N,) int or None, and people as in `intervals.pair_intervals`.

    ValueError for nonsense, as in `measures` and `intervals`.
    """
    curve = roc(cosines, same)
    return PairFigures(
        accuracy=None if folds is None else fold_accuracy(cosines, same, folds),
        points=tuple(tar_at_far(curve, far) for far in fars),
        equal_error_rate=equal_error_rate(curve),
        equal_error_threshold=equal_error_threshold(curve),
        curve=curve,
        intervals=pair_intervals(cosines, same, fars, people=people, resamples=resamples, seed=seed),
    )


def drawn_folds(same: ArrayLike, folds: int, seed: int) -> NDArray[np.int64]:
    """(N,) a fold 0..folds - 1 for each pair, at random, each kind spread as evenly as it goes.

    ValueError with fewer than two folds, or fewer pairs of a kind than folds.
    """
    labels = np.asarray(same, dtype=bool)
    fewest = int(min(labels.sum(), (~labels).sum()))
    if not 2 <= folds <= fewest:
        raise ValueError(
            f"{folds} folds were asked for; there must be 2 at least, and at most as many as there are pairs of the "
            f"rarer kind, {fewest}"
        )
    random = np.random.default_rng(seed)
    fold_of = np.zeros(labels.size, np.int64)
    for kind in (labels, ~labels):
        members = random.permutation(np.flatnonzero(kind))
        fold_of[members] = np.arange(members.size) % folds
    return fold_of


def worst_pairs(
    cosines: ArrayLike, same: ArrayLike, threshold: float, count: int
) -> tuple[list[int], list[int]]:
    """The pairs that a threshold judges most wrongly: at most `count` false non-matches by rising cosine, and false
    matches by falling cosine; the earlier of equal ones first. As places in cosines (N,), same (N,) bool.
    """
    values, labels = checked_pairs(cosines, same)
    if count < 1:
        raise ValueError(f"at least one pair must be asked for, not {count}")
    missed = np.flatnonzero(labels & (values < threshold))
    passed = np.flatnonzero(~labels & (values >= threshold))
    missed = missed[np.argsort(values[missed], kind="stable")]
    passed = passed[np.argsort(-values[passed], kind="stable")]
    return missed[:count].tolist(), passed[:count].tolist()
