"""A cosine for every false match rate, with its interval and by what right it is stated; writes no calibration.

Down to the calibration's floor the cosine is counted. Below it nothing is, and two ways to go on are stated beside each
other: the straight line through log10(FMR) that a calibration takes, and an extreme-value tail. The line is the one
offered. Made from a part of LFW's people and held against what the others count (benchmarks/tail.py, two packs), the
tail comes nearer within two decades of the floor, the more so the fewer people there are; at 1e-6 the line errs no more
than it. And where the line errs with few people it lets too few strangers through, while the tail then lets in several
times as many as it says in one split out of ten.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from evaluation.all_pairs.strongest import Floats, Integers, StrongestPairs
from evaluation.calibration.curve import ERRORS_NEEDED
from evaluation.calibration.tail import Tail, fit_tail
from evaluation.identification.best_candidate import comparison_fmr
from evaluation.resampling import RESAMPLES, Interval, drawn_people_pairs, interval_of, people_draws
from faces.calibration import Calibration

GALLERIES = (1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)
FPIRS = (1e-1, 1e-2, 1e-3)


class Basis(StrEnum):
    """By what right a cosine is stated."""

    COUNTED = "counted"
    TAIL = "extreme-value tail"
    LINEAR = "linear"


BELOW_THE_FLOOR = Basis.LINEAR
"""Which statement is offered where nothing is counted."""


@dataclass(frozen=True)
class Threshold:
    """The cosine (-1..1) for a false match rate (0..1), and the 95 % interval of that cosine over people, or None where
    too many pairs pass to be drawn again and again.
    """

    fmr: float
    cosine: float
    interval: Interval | None
    basis: Basis


@dataclass(frozen=True)
class Statement:
    """offered: the threshold to take. beside: below the floor, what the other way gives; None above it, or where there
    are too few people for a tail.
    """

    offered: Threshold
    beside: Threshold | None


@dataclass(frozen=True)
class _Samples:
    """(R, L) float64 cosines of R draws for L rates, by each of the three ways; NaN where a way cannot answer."""

    counted: Floats
    linear: Floats
    tail: Floats


def state(
    fmrs: Sequence[float],
    calibration: Calibration,
    strongest: StrongestPairs,
    *,
    below: Basis = BELOW_THE_FLOOR,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Statement]:
    """A statement for each false match rate (0 < rate <= 1). calibration: of the same pairs as `strongest`. below: what
    is offered below its floor, where both ways answer.

    Counted and linear cosines are those of the calibration, so that they are what a server takes. An interval says how
    a way varies with the people it is made from, not whether it is the right way to go on.
    """
    tail = tail_or_none(strongest)
    samples = _samples(fmrs, calibration.floor, strongest, tail is not None, resamples, seed)
    statements = []
    for at, fmr in enumerate(fmrs):
        cosine = calibration.threshold(fmr)
        if fmr >= calibration.floor:
            interval = _interval(samples.counted[:, at])
            statements.append(Statement(Threshold(fmr, cosine, interval, Basis.COUNTED), None))
            continue
        linear = Threshold(fmr, cosine, _interval(samples.linear[:, at]), Basis.LINEAR)
        beside = None
        if tail is not None and fmr <= tail.rate:
            beside = Threshold(fmr, tail.threshold(fmr), _interval(samples.tail[:, at]), Basis.TAIL)
        if beside is not None and below is Basis.TAIL:
            statements.append(Statement(beside, linear))
        else:
            statements.append(Statement(linear, beside))
    return statements


def gallery_rates(
    galleries: Sequence[int] = GALLERIES, fpirs: Sequence[float] = FPIRS
) -> list[tuple[int, float, float]]:
    """(people in the gallery, FPIR, the false match rate that one comparison may have), FPIR by FPIR."""
    return [(size, fpir, comparison_fmr(fpir, size)) for fpir in fpirs for size in galleries]


def tail_or_none(strongest: StrongestPairs) -> Tail | None:
    """The extreme-value tail, or None where the people are too few or too alike for one."""
    try:
        return fit_tail(strongest)
    except ValueError:
        return None


def people_needed(fmr: float) -> int:
    """How many people it takes until a false match rate (0..1) is counted: so many that ERRORS_NEEDED pairs of them
    are expected to match falsely.
    """
    if not 0 < fmr <= 1:
        raise ValueError(f"a false match rate lies within 0..1 (0 excluded), got {fmr}")
    pairs = ERRORS_NEEDED / fmr
    return int(np.ceil((1 + np.sqrt(1 + 8 * pairs)) / 2 - 1e-9))


def _samples(
    fmrs: Sequence[float], floor: float, strongest: StrongestPairs, with_tail: bool, resamples: int, seed: int
) -> _Samples:
    wanted = np.asarray(fmrs, np.float64)
    counted, linear, tails = (np.full((resamples, wanted.size), np.nan) for _ in range(3))
    decades = np.log10(floor / wanted)
    for sample, drawn in enumerate(people_draws(strongest.people, resamples, seed)):
        total = drawn_people_pairs(drawn)
        if total == 0:
            continue
        rate = np.cumsum(strongest.votes_of(drawn)) / total
        at_levels = _cosines(strongest, rate, np.concatenate([wanted, [floor, min(1.0, 10 * floor)]]))
        counted[sample] = at_levels[:-2]
        linear[sample] = at_levels[-2] + (at_levels[-2] - at_levels[-1]) * decades
        if with_tail:
            tails[sample] = _tail_cosines(strongest, drawn, wanted)
    return _Samples(counted, np.minimum(linear, 1.0), tails)


def _cosines(strongest: StrongestPairs, rate: Floats, levels: Floats) -> Floats:
    """(L,) the highest cosine at which the rate surpasses each level; NaN below the pairs that are kept."""
    first = np.searchsorted(rate, levels, side="right")
    padded = np.append(strongest.cosines, np.nan)
    cosines: Floats = padded[first]
    return cosines


def _tail_cosines(strongest: StrongestPairs, drawn: Integers, fmrs: Floats) -> list[float]:
    try:
        tail = fit_tail(strongest, drawn)
    except ValueError:
        return [float("nan")] * fmrs.size
    return [tail.threshold(fmr) if 0 < fmr <= tail.rate else float("nan") for fmr in fmrs.tolist()]


def _interval(samples: Floats) -> Interval | None:
    """None where more than a twentieth of the samples could not answer."""
    if np.isnan(samples).mean() > 0.05:
        return None
    return interval_of(samples)
