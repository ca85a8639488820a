"""How far rates of a 1:1 set would wander on other pairs or other people like these: percentile bootstrap intervals.

Pairs that share a person are not independent, so
where people are known they are drawn in place of pairs: a genuine pair then counts as often as its person was drawn,
an impostor pair as often as both were, multiplied (Snijders, Borgatti, "Non-parametric standard errors and tests for
network statistics", 1999; Owen, "The pigeonhole bootstrap", 2007, who shows that this errs on the wide side).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluation.resampling import RESAMPLES, Interval, interval_of, people_draws
from evaluation.verification.measures import Labels, Roc, checked_pairs, equal_error_rate, tar_at_far

Weights = NDArray[np.int64]


@dataclass(frozen=True)
class PairIntervals:
    """tar: one for each FAR asked for. drawn: "pairs" or "people". units: how many of those there are. resamples: how
    many were judged; left_out: how many more held no genuine or no impostor pair. An interval is None where
    more were left out than judged.
    """

    tar: tuple[Interval | None, ...]
    equal_error_rate: Interval | None
    drawn: str
    units: int
    resamples: int
    left_out: int
    seed: int


def pair_intervals(
    scores: ArrayLike,
    same: ArrayLike,
    fars: Sequence[float],
    *,
    people: tuple[ArrayLike, ArrayLike] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> PairIntervals:
    """95 % intervals of TAR at each FAR (0..1) and of the equal error rate, of scores (N,), same (N,) bool.

    people: the person of the left and of the right image of each pair, (N,) whole numbers each; without them pairs are
    drawn, of each kind as many as there are. Each resample chooses its own thresholds. ValueError for scores and
    labels as in `verification`, and for people who contradict the labels.
    """
    values, labels = checked_pairs(scores, same)
    if resamples < 1:
        raise ValueError(f"at least one resample is needed; {resamples} were asked for")
    random = np.random.default_rng(seed)
    if people is None:
        draw, drawn, units = _of_pairs(labels, random), "pairs", labels.size
    else:
        draw, units = _of_people(labels, *people, random)
        drawn = "people"
    judged = _Judged(values, labels)
    tars: list[list[float]] = []
    eers: list[float] = []
    for _ in range(resamples):
        curve = judged.roc(draw())
        if curve is not None:
            tars.append([tar_at_far(curve, far).tar for far in fars])
            eers.append(equal_error_rate(curve))
    enough = 2 * len(eers) >= resamples
    return PairIntervals(
        tar=tuple(_interval([row[at] for row in tars], enough) for at in range(len(fars))),
        equal_error_rate=_interval(eers, enough),
        drawn=drawn,
        units=units,
        resamples=len(eers),
        left_out=resamples - len(eers),
        seed=seed,
    )


class _Judged:
    """Pairs ordered once by score, so that a resample costs one pass over its weights."""

    def __init__(self, values: NDArray[np.float64], labels: Labels) -> None:
        levels, rising = np.unique(values, return_inverse=True)
        self._level = levels.size - 1 - rising  # (N,) 0 is the highest score
        self._thresholds = np.concatenate([[np.inf], levels[::-1]])
        self._labels = labels

    def roc(self, weights: Weights) -> Roc | None:
        """The operating points where pair n counts weights[n] times; None where a kind of pair is gone."""
        true = self._accepted(weights * self._labels)
        false = self._accepted(weights * ~self._labels)
        if true[-1] == 0 or false[-1] == 0:
            return None
        return Roc(
            thresholds=self._thresholds,
            false_match_rate=false / false[-1],
            true_match_rate=true / true[-1],
            genuine=int(true[-1]),
            impostor=int(false[-1]),
        )

    def _accepted(self, weights: Weights) -> NDArray[np.float64]:
        a_level = np.bincount(self._level, weights=weights, minlength=self._thresholds.size - 1)
        return np.concatenate([[0.0], np.cumsum(a_level)])


def _of_pairs(labels: Labels, random: np.random.Generator) -> Callable[[], Weights]:
    kinds = [np.flatnonzero(labels), np.flatnonzero(~labels)]

    def draw() -> Weights:
        chosen = [kind[random.integers(0, kind.size, kind.size)] for kind in kinds]
        return np.bincount(np.concatenate(chosen), minlength=labels.size)

    return draw


def _of_people(
    labels: Labels, left: ArrayLike, right: ArrayLike, random: np.random.Generator
) -> tuple[Callable[[], Weights], int]:
    sides: list[NDArray[Any]] = [np.asarray(left), np.asarray(right)]
    if any(side.shape != labels.shape for side in sides):
        raise ValueError(
            f"people must be two of {labels.shape}, they are {sides[0].shape} and {sides[1].shape}"
        )
    wrong = np.flatnonzero((sides[0] == sides[1]) != labels)
    if wrong.size:
        raise ValueError(
            f"pair {wrong[0]} is {'genuine' if labels[wrong[0]] else 'impostor'}, its people say not"
        )
    names, number = np.unique(np.concatenate(sides), return_inverse=True)
    first, second = number[: labels.size], number[labels.size :]

    def draw() -> Weights:
        (times,) = people_draws(names.size, 1, random)
        weights: Weights = np.where(labels, times[first], times[first] * times[second])
        return weights

    return draw, int(names.size)


def _interval(values: Sequence[float], enough: bool) -> Interval | None:
    return interval_of(values) if enough else None
