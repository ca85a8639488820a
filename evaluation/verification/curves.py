"""The two plots of a 1:1 result, ROC and DET, thinned to what a screen can show; measures nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evaluation.report.protocol_result import Plot
from evaluation.report.svg import Axis, Curve
from evaluation.verification.measures import Roc

STEPS = 2000
"""Points that fall into the same of so many steps of both axes are drawn once."""


def roc_plot(title: str, label: str, curve: Roc) -> Plot:
    """TAR over FAR as a staircase, FAR logarithmic from the lowest rate that the impostor pairs can show."""
    across = Axis("false accept rate (FAR)", 1 / max(curve.impostor, 2), 1.0, logarithmic=True)
    stairs = _stairs(curve, across.low)
    bottom = min(0.98, float(np.floor(stairs[0][1] * 50) / 50))
    up = Axis("true accept rate (TAR)", bottom, 1.0)
    return Plot(title, across, up, (Curve(label, thinned(stairs, across, up)),))


def det_plot(title: str, label: str, curve: Roc) -> Plot:
    """FNMR over FMR as a staircase, both logarithmic from the lowest rate that the pairs can show; what is lower lies
    on the edge.
    """
    across = Axis("false match rate (FMR)", 1 / max(curve.impostor, 2), 1.0, logarithmic=True)
    up = Axis("false non-match rate (FNMR)", 1 / max(curve.genuine, 2), 1.0, logarithmic=True)
    stairs = [(x, 1 - y) for x, y in _stairs(curve, across.low)]
    return Plot(title, across, up, (Curve(label, thinned(stairs, across, up)),), legend_left=True)


def thinned(points: Sequence[tuple[float, float]], across: Axis, up: Axis) -> list[tuple[float, float]]:
    """Without points that would be drawn where the one before them is; the last one always stays."""
    kept: list[tuple[float, float]] = []
    last = None
    for x, y in points:
        cell = (round(across.share(x) * STEPS), round(up.share(y) * STEPS))
        if cell != last:
            kept.append((x, y))
        last = cell
    if kept and kept[-1] != points[-1]:
        kept.append(points[-1])
    return kept


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
