"""What a calibration on own photos found, as tables, figures and a plot; counts nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from evaluation.all_pairs.impostors import AllPairs, at_or_above, bin_edges
from evaluation.all_pairs.rates import percent_words, rate_words
from evaluation.calibration.gallery_table import statement_words
from evaluation.calibration.own_photos import ALIKE, LEVELS, OwnMeasurement
from evaluation.calibration.tail import distance, quantiles
from evaluation.calibration.thresholds import people_needed
from evaluation.report.protocol_result import Plot, Table
from evaluation.report.svg import Axis, Curve


def own_tables(subject: str, measured: OwnMeasurement) -> list[Table]:
    """One value column; tables that would be empty are left out."""
    embedded, calibration = measured.embedded, measured.calibration
    people = len(set(embedded.people))
    head = ["", subject]
    counts = [
        head,
        ["photos with a face", f"{len(embedded.names):,}"],
        ["photos without one, left out", f"{len(embedded.without_face):,}"],
        ["photos with several faces", f"{embedded.several_faces:,}"],
        ["people", f"{people:,}"],
        ["people with two photos or more", f"{int(measured.genuine.compared().sum()):,}"],
        ["pairs of different people", f"{measured.strongest.people_pairs:,}"],
        ["lowest false match rate that is counted", f"{calibration.floor:.2g}"],
    ]
    cosines = [head] + [
        [f"cosine for FMR {fmr:g}", statement_words(statement)]
        for fmr, statement in zip(LEVELS, measured.statements, strict=True)
    ]
    rejected = [head] + [
        [f"FNMR at the cosine for FMR {fmr:g}, %", percent_words(rate)]
        for fmr, rate in zip(LEVELS, measured.rejected, strict=False)
    ]
    today = [head]
    for (fmr, cosine), (matches, non_matches) in zip(measured.operating.points, measured.today, strict=True):
        today.append([f"cosine of today for FMR {fmr:g}", f"{cosine:.4f}"])
        today.append([f"FMR of these photos there ({fmr:g})", rate_words(matches)])
        if non_matches is not None:
            today.append([f"FNMR of these photos there ({fmr:g}), %", percent_words(non_matches)])
    needed = [head] + [[f"to count an FMR of {fmr:g}", f"{people_needed(fmr):,} people"] for fmr in LEVELS]
    alike = [head] + [[f"{at}.", words] for at, words in enumerate(_most_alike(measured), start=1)]
    tables = [
        Table.of("Photos", counts),
        Table.of("Cosine for a false match rate", cosines),
        Table.of("False non-match rate", rejected),
        Table.of("What today's thresholds do on these photos", today),
        Table.of("People that a rate takes", needed),
        Table.of("Most alike pairs of different people", alike),
        Table.of("Extreme-value tail: observed and fitted cosines", _tail_rows(subject, measured)),
    ]
    return [table for table in tables if len(table.rows) > 1]


def _most_alike(measured: OwnMeasurement) -> list[str]:
    """The photos of the most alike pairs of people, each pair of people once."""
    embedded = measured.embedded
    seen: set[frozenset[str]] = set()
    words: list[str] = []
    for pair in measured.pairs.strongest:
        both = frozenset((embedded.people[pair.left], embedded.people[pair.right]))
        if both not in seen and len(words) < ALIKE:
            seen.add(both)
            words.append(f"{embedded.names[pair.left]}, {embedded.names[pair.right]}: {pair.cosine:.3f}")
    return words


def _tail_rows(subject: str, measured: OwnMeasurement) -> list[list[str]]:
    rows = [["", subject]]
    if measured.tail is None:
        return rows
    tail = measured.tail
    shape, scale = tail.excesses.shape, tail.excesses.scale
    rows.append(["from", f"cosine {tail.start:.4f}, FMR {tail.rate:.1e}, {tail.votes:.0f} pairs of people"])
    rows.append(["shape and scale", f"{shape:.3f}, {scale:.4f}"])
    for quantile in quantiles(tail, measured.strongest):
        words = f"{quantile.observed:.4f} observed, {quantile.fitted:.4f} fitted"
        rows.append([f"cosine at FMR {tail.rate * quantile.share:.1e}", words])
    rows.append(["greatest difference of shares", f"{distance(tail, measured.strongest):.3f}"])
    return rows


def own_figures(measured: OwnMeasurement) -> dict[str, Any]:
    """Every number, for JSON."""
    embedded, tail = measured.embedded, measured.tail
    return {
        "photos": len(embedded.names),
        "without_face": list(embedded.without_face),
        "several_faces": embedded.several_faces,
        "people": len(set(embedded.people)),
        "people_pairs": measured.strongest.people_pairs,
        "calibration": measured.calibration,
        "levels": list(measured.statements),
        "false_non_match_rates": list(measured.rejected),
        "today": [
            {"fmr": fmr, "cosine": cosine, "false_match": matches, "false_non_match": non_matches}
            for (fmr, cosine), (matches, non_matches) in zip(
                measured.operating.points, measured.today, strict=True
            )
        ],
        "tail": None
        if tail is None
        else {
            "fit": tail,
            "quantiles": quantiles(tail, measured.strongest),
            "distance": distance(tail, measured.strongest),
        },
        "people_needed": {f"{fmr:g}": people_needed(fmr) for fmr in LEVELS},
        "most_alike": _most_alike(measured),
    }


def own_plot(subject: str, measured: OwnMeasurement) -> Plot:
    """Both rates by cosine: solid where counted, dashed where not."""
    calibration, tail = measured.calibration, measured.tail
    cosines = np.linspace(calibration.cosines[-1], 1.0, 30)
    line = [(float(x), calibration.false_match_rate(float(x))) for x in cosines]
    curves = [
        Curve(f"{subject}: false match rate", _counted(measured.pairs, calibration.floor)),
        Curve("straight line", line, dashed=True),
    ]
    if tail is not None:
        ends = np.linspace(tail.start, min(1.0, tail.start + tail.excesses.highest), 40)
        curve = [(float(x), max(1e-12, tail.false_match_rate(float(x)))) for x in ends]
        curves.append(Curve("extreme-value tail", curve, dashed=True, colour=1))
    if measured.genuine.cosines.size:
        grid = np.linspace(-0.2, 1, 121)
        rates = [(float(x), measured.genuine.false_non_match_rate(float(x))) for x in grid]
        curves.append(Curve("false non-match rate", [point for point in rates if point[1] > 0], colour=2))
    return Plot(
        "Rates by cosine",
        Axis("cosine", -0.2, 1.0),
        Axis("rate", 1e-8, 1.0, logarithmic=True),
        tuple(_within(curve) for curve in curves),
    )


def _within(curve: Curve) -> Curve:
    """Without what lies below the plot, which would be drawn along its edge."""
    return Curve(
        curve.label, [point for point in curve.points if point[1] >= 1e-8], curve.dashed, curve.colour
    )


def _counted(pairs: AllPairs, floor: float) -> Sequence[tuple[float, float]]:
    above = at_or_above(pairs.impostor_people)
    share = above / above[0]
    edges = bin_edges()
    wanted = np.concatenate([np.linspace(1, 0.1, 40), np.logspace(-1, np.log10(floor), 80)])
    at = np.unique(np.searchsorted(-share, -wanted, side="left").clip(0, edges.size - 1))
    return [(float(edges[k]), float(share[k])) for k in at if share[k] >= floor * 0.99]
