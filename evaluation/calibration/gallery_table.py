"""The cosine for one false alarm in so many searches, by size of the gallery: a table and a plot; counts nothing.

A search of N people makes N comparisons with strangers, each of which may match falsely at 1 - (1 - FPIR)^(1/N) only,
as if they were independent (evaluation/identification/best_candidate.py). The rates of large galleries are far below
what any data set can count, so each cosine says by what right it stands there.
"""

from __future__ import annotations

from collections.abc import Sequence

from evaluation.calibration.thresholds import Basis, Statement, Threshold
from evaluation.report.protocol_result import Plot, Table
from evaluation.report.svg import Axis, Curve

Rates = Sequence[tuple[int, float, float]]
"""People in the gallery, FPIR, false match rate of one comparison; as thresholds.gallery_rates gives them."""


def gallery_table(subject: str, rates: Rates, statements: Sequence[Statement]) -> Table:
    """One row for each size and FPIR, statements in the order of `rates`."""
    rows = [["", subject]]
    for (size, fpir, fmr), statement in zip(rates, statements, strict=True):
        rows.append([f"FPIR {fpir:g}, {size:,} people (FMR {fmr:.1e})", statement_words(statement)])
    return Table.of("Cosine by size of the gallery", rows)


def gallery_plot(subject: str, rates: Rates, statements: Sequence[Statement]) -> Plot:
    """A curve for each FPIR: solid where counted, dashed where it goes on in a straight line, dots for the tail."""
    curves = []
    for colour, fpir in enumerate(dict.fromkeys(fpir for _, fpir, _ in rates)):
        own = [
            (size, statement)
            for (size, of, _), statement in zip(rates, statements, strict=True)
            if of == fpir
        ]
        found = {basis: _points(own, basis) for basis in Basis}
        counted, linear = found[Basis.COUNTED], found[Basis.LINEAR]
        curves.append(Curve(f"{subject}, FPIR {fpir:g}", counted, colour=colour))
        curves.append(Curve("", counted[-1:] + linear, dashed=True, colour=colour))
        curves.append(Curve("", found[Basis.TAIL], dots=True, colour=colour, radius=3))
    cosines = [cosine for curve in curves for _, cosine in curve.points]
    sizes = [size for size, _, _ in rates]
    return Plot(
        "Cosine by size of the gallery (dashed: linear; dots: tail)",
        Axis("people in the gallery", min(sizes), max(max(sizes), 2 * min(sizes)), logarithmic=True),
        Axis("cosine", min(cosines) - 0.02, max(cosines) + 0.02),
        tuple(curve for curve in curves if curve.points),
    )


def statement_words(statement: Statement) -> str:
    """What is offered and, below the counted rates, what the other way gives: `0.5130 (0.50 to 0.55), linear; ...`."""
    words = _words(statement.offered)
    return words if statement.beside is None else f"{words}; {_words(statement.beside)}"


def _words(threshold: Threshold) -> str:
    interval = threshold.interval
    between = "" if interval is None else f" ({interval.low:.4f} to {interval.high:.4f})"
    return f"{threshold.cosine:.4f}{between}, {threshold.basis}"


def _points(own: Sequence[tuple[int, Statement]], basis: Basis) -> list[tuple[float, float]]:
    both = [(size, way) for size, statement in own for way in (statement.offered, statement.beside)]
    return [(size, way.cosine) for size, way in both if way is not None and way.basis is basis]
