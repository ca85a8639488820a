"""The two pictures of an LFW evaluation, ROC and calibration, from measured figures; measures nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evaluation.lfw_calibration import LfwCalibration
from evaluation.lfw_run import LfwRun
from evaluation.protocol_result import Plot
from evaluation.report.svg import Axis, Curve
from evaluation.verification import Roc, Scores


def run_label(run: LfwRun) -> str:
    """`default` or `default, flip`."""
    return f"{run.pack}, flip" if run.flip else run.pack


def roc_plot(runs: Sequence[LfwRun]) -> Plot:
    """TAR over FAR, FAR logarithmic from the lowest rate that the impostor pairs can show."""
    lowest = 1 / min(run.figures.curve.impostor for run in runs)
    curves = [
        Curve(
            f"{run_label(run)}: {100 * run.figures.accuracy.mean:.2f} %",
            _stairs(run.figures.curve, lowest),
            colour=at,
        )
        for at, run in enumerate(runs)
    ]
    tar_floor = min(curve.points[0][1] for curve in curves)
    bottom = min(0.98, float(np.floor(tar_floor * 50) / 50))
    return Plot(
        f"LFW, {runs[0].pairs:,} pairs: true over false accept rate",
        Axis("false accept rate (FAR)", lowest, 1.0, logarithmic=True),
        Axis("true accept rate (TAR)", bottom, 1.0),
        tuple(curves),
    )


def calibration_plot(calibration: LfwCalibration, genuine: Scores, label: str) -> Plot:
    """False match rate and false non-match rate over the cosine; what the data cannot vouch for is dashed."""
    measured = calibration.calibration
    points = [
        (cosine, 10**log_rate) for cosine, log_rate in zip(measured.cosines, measured.log10_fmr, strict=True)
    ]
    last = measured.cosines[-1]
    tail = [(float(c), measured.false_match_rate(float(c))) for c in np.linspace(last, 1.0, 60)]
    low = 1e-9
    tail = [point for point in tail if point[1] >= low]
    ordered = np.sort(genuine)
    rejected = [(float(c), (at + 1) / ordered.size) for at, c in enumerate(ordered)]
    return Plot(
        f"{label}: error rates over the cosine, {measured.pairs:,} pairs of different people",
        Axis("cosine", min(0.0, measured.cosines[0]), 1.0),
        Axis("rate", low, 1.0, logarithmic=True),
        (
            Curve("false match rate", points, colour=0),
            Curve("false match rate, extrapolated", tail, dashed=True, colour=0),
            Curve(f"false non-match rate, {ordered.size:,} pairs", rejected, colour=1),
        ),
        legend_left=True,
    )


def _stairs(curve: Roc, lowest: float) -> list[tuple[float, float]]:
    """The highest TAR that keeps each FAR, as a staircase that begins at the FAR `lowest`."""
    rates = curve.false_match_rate
    # Of what lies left of the axis only the best is seen, at its beginning.
    last = np.flatnonzero(np.append((rates[1:] != rates[:-1]) & (rates[1:] > lowest), True))
    points: list[tuple[float, float]] = []
    for far, tar in zip(rates[last], curve.true_match_rate[last], strict=True):
        if points:
            points.append((float(far), points[-1][1]))
        point = (max(float(far), lowest), float(tar))
        if not points or point != points[-1]:
            points.append(point)
    return points
