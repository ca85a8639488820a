"""The picture of a calibration on LFW, error rates over the cosine, from measured figures; measures nothing."""

from __future__ import annotations

import numpy as np

from evaluation.lfw.calibration import LfwCalibration
from evaluation.lfw.run import LfwRun
from evaluation.report.protocol_result import Plot
from evaluation.report.svg import Axis, Curve
from evaluation.verification.measures import Scores


def run_label(run: LfwRun) -> str:
    """`default` or `default, flip`."""
    return f"{run.pack}, flip" if run.flip else run.pack


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
