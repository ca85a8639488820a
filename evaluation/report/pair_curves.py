"""The two plots of a 1:1 result, ROC and DET, thinned to what a screen can show; measures nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evaluation.protocol_result import Plot
from evaluation.report.svg import Axis, Curve
from evaluation.verification import Roc

STEPS = 2000
"""Points that fall into the same of so many steps of both axes are drawn once."""


def roc_plot(title: str, label: str, curve: Roc) -> Plot:
    """TAR over FAR as a staircase, FAR logarithmic from the lowest rate that the impostor pairs can show."""
    across = Axis("false accept rate (FAR)", 1 / max(curve.impostor, 2), 1.0, logarithmic=True)
    stairs = _stairs(curve.false_match_rate, curve.true_match_rate, across.low)
    bottom = min(0.98, float(np.floor(stairs[0][1] * 50) / 50))
    up = Axis("true accept rate (TAR)", bottom, 1.0)
    return Plot(title, across, up, (Curve(label, thinned(stairs, across, up)),))


def det_plot(title: str, label: str, curve: Roc) -> Plot:
    """FNMR over FMR as a staircase, both logarithmic from the lowest rate that the pairs can show; what is lower lies
    on the edge.
    """
    across = Axis("false match rate (FMR)", 1 / max(curve.impostor, 2), 1.0, logarithmic=True)
    up = Axis("false non-match rate (FNMR)", 1 / max(curve.genuine, 2), 1.0, logarithmic=True)
    stairs = [(x, 1 - y) for x, y in _stairs(curve.false_match_rate, curve.true_match_rate, across.low)]
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


def _stairs(far: NDArray[np.float64], tar: NDArray[np.float64], lowest: float) -> list[tuple[float, float]]:
    """The highest TAR that keeps each FAR, from the FAR `lowest` on, with a corner before each rise."""
    best = np.flatnonzero(np.append(far[1:] != far[:-1], True))
    # Left of the axis only the best is seen, at its beginning.
    start = max(int(np.searchsorted(far[best], lowest, side="right")) - 1, 0)
    points: list[tuple[float, float]] = []
    for x, y in zip(far[best[start:]].tolist(), tar[best[start:]].tolist(), strict=True):
        if points:
            points.append((x, points[-1][1]))
        points.append((max(x, lowest), y))
    return points
