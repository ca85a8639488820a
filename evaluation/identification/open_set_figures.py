"""One-to-many figures of one set of searches with their intervals, as table rows and as curves; searches nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.identification.open_set import (
    FPIRS,
    OpenSetPoint,
    Searches,
    cmc,
    det,
    open_set_point,
    rank_rate,
    rank_rate_of_people,
)
from evaluation.identification.open_set_intervals import fnir_interval, rank_interval
from evaluation.report.protocol_result import Plot
from evaluation.report.svg import Axis, Curve
from evaluation.resampling import RESAMPLES, Interval

RANKS = (1, 5, 10)
CURVE_POINTS = 200
DEFINITIONS = (
    "Rank-k counts mated probes whose person is among the first k candidates at any cosine; FNIR those whose person is "
    "not the first candidate at the threshold, which is the lowest that keeps the FPIR among strangers' searches. A "
    "tie counts against the mate. Intervals are 95 %, by a bootstrap over people, for this gallery."
)
"""What figure_rows shows, as a sentence for a report."""
LOWEST_RATE = 1e-3
"""Where the axis of error rates begins; lower rates lie on its edge."""


@dataclass(frozen=True)
class RankRate:
    """rate: of all mated probes; rate_of_people: with one vote a person. Both 0..1."""

    rank: int
    rate: float
    interval: Interval
    rate_of_people: float


@dataclass(frozen=True)
class OpenSetRate:
    """FNIR of rank 1 at an FPIR."""

    point: OpenSetPoint
    interval: Interval


@dataclass(frozen=True)
class OpenSetFigures:
    """mated, strangers: probes; mated_people, other_people: who they show. open_set: empty without a stranger."""

    mated: int
    mated_people: int
    strangers: int
    other_people: int
    ranks: tuple[RankRate, ...]
    open_set: tuple[OpenSetRate, ...]


def open_set_figures(
    searches: Searches,
    *,
    ranks: Sequence[int] = RANKS,
    fpirs: Sequence[float] = FPIRS,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> OpenSetFigures:
    """Ranks beyond the depth of the searches are left out, and so are rates by FPIR where there is no stranger."""
    mated = searches.mated
    reached = [rank for rank in ranks if searches.depth is None or rank <= searches.depth]
    return OpenSetFigures(
        mated=int(mated.sum()),
        mated_people=len(np.unique(searches.people[mated])),
        strangers=int((~mated).sum()),
        other_people=len(np.unique(searches.people[~mated])),
        ranks=tuple(
            RankRate(
                rank,
                rank_rate(searches, rank),
                rank_interval(searches, rank, resamples=resamples, seed=seed),
                rank_rate_of_people(searches, rank),
            )
            for rank in reached
        ),
        open_set=tuple(
            OpenSetRate(
                open_set_point(searches, fpir),
                fnir_interval(searches, fpir, resamples=resamples, seed=seed),
            )
            for fpir in (fpirs if not mated.all() else ())
        ),
    )


def figure_rows(figures: OpenSetFigures) -> list[list[str]]:
    """Names and values, percent with the 95 % interval; rates the data cannot tell from zero are marked."""
    rows = [["mated probes (people)", f"{figures.mated:,} ({figures.mated_people:,})"]]
    if figures.mated:
        for one in figures.ranks:
            rows.append([f"rank-{one.rank}, %", percent(one.rate, one.interval)])
        rows.append(["rank-1, one vote a person, %", percent(figures.ranks[0].rate_of_people)])
    if figures.strangers:
        rows.append(["probes of strangers (people)", f"{figures.strangers:,} ({figures.other_people:,})"])
    for rate in figures.open_set:
        point = rate.point
        mark = "" if point.supported else " (unsupported)"
        if figures.mated:
            value = percent(point.fnir, rate.interval) + mark
            rows.append([f"FNIR at FPIR {point.fpir:g}, %", value])
        rows.append([f"threshold for FPIR {point.fpir:g}", f"{point.threshold:.4f}{mark}"])
    return rows


def percent(rate: float, interval: Interval | None = None) -> str:
    """`98.31` or, with an interval, `98.31 [97.60, 98.92]`."""
    if interval is None:
        return f"{100 * rate:.2f}"
    return f"{100 * rate:.2f} [{100 * interval.low:.2f}, {100 * interval.high:.2f}]"


def cmc_plot(title: str, subject: str, searches: Searches, deepest: int) -> Plot:
    """The share of mated probes found among the first candidates, by how many those are. deepest: 2 or more."""
    rates = cmc(searches, deepest)
    low = float(np.floor(20 * rates[0]) / 20)
    points = [(float(rank), float(rate)) for rank, rate in enumerate(rates, start=1)]
    return Plot(
        title=title,
        across=Axis("rank", 1, deepest, logarithmic=True),
        up=Axis("identification rate", low if low < 1.0 else 0.95, 1.0),
        curves=(Curve(subject, points),),
    )


def det_plot(title: str, subject: str, searches: Searches) -> Plot:
    """FNIR over FPIR on logarithmic axes, from one false positive on."""
    curve = det(searches)
    strangers = int((~searches.mated).sum())
    levels = np.geomspace(1 / strangers, 1.0, CURVE_POINTS)
    # The loosest threshold that keeps each rate; the product's rounding must not lose the rate itself.
    chosen = np.unique(np.searchsorted(curve.fpir, levels * (1 + 1e-9), side="right") - 1)
    points = [(float(curve.fpir[at]), float(curve.fnir[at])) for at in chosen if curve.fpir[at] > 0]
    lowest = 10.0 ** np.floor(np.log10(1 / strangers))
    return Plot(
        title=title,
        across=Axis(
            "FPIR: strangers' searches with a false positive", float(min(lowest, 0.1)), 1.0, logarithmic=True
        ),
        up=Axis("FNIR: searches that miss the mate", LOWEST_RATE, 1.0, logarithmic=True),
        curves=(Curve(subject, points),),
    )
