"""Bootstrap over people: how often each is drawn, and the interval of what the draws give; computes no figure itself.

Efron, "Bootstrap methods: another look at the jackknife", 1979; percentile intervals. Photos of one person succeed and
fail together, and whoever looks like one stranger looks like several, so people are drawn, not photos or pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000


@dataclass(frozen=True)
class Interval:
    """95 % of the resampled figures lie between `low` and `high`; both NaN where the figure itself is."""

    low: float
    high: float


def interval_of(samples: Sequence[float] | NDArray[np.float64]) -> Interval:
    """The 95 % interval of samples (R,), their .025 and .975 quantiles; those that are NaN could not be computed and
    do not count, and without any other the interval is NaN.
    """
    known = np.asarray(samples, np.float64)
    known = known[~np.isnan(known)]
    if known.size == 0:
        return Interval(float("nan"), float("nan"))
    low, high = np.quantile(known, [0.025, 0.975])
    return Interval(float(low), float(high))


def people_draws(people: int, resamples: int, seed: int | np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """How often each of `people` is drawn, (people,) int64 summing to `people`, `resamples` times; the same again for
    the same seed. A generator in place of the seed is drawn from as the draws are asked for.
    """
    random = np.random.default_rng(seed)
    for _ in range(resamples):
        yield np.bincount(random.integers(0, people, people), minlength=people)


def drawn_people_pairs(drawn: NDArray[Any]) -> float:
    """Pairs of different people among `drawn` (people,), how often each was drawn: a person drawn twice is no pair with
    himself.
    """
    total = drawn.sum()
    return float((total * total - (drawn * drawn).sum()) / 2)
