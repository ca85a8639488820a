"""Memory of the head by number of classes, as a chart: what was measured as dots, what is computed as lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from evaluation.report.svg import Axis, Curve, picture

GIB = 2.0**30
MOST = 100_000_000
FORMS = {"fused": "fused (sampled: the same)", "dense": "dense"}
"""Sampling saves time, not memory: its points lie under those of the fused form."""


class Measured(Protocol):
    """One form at one size; MiB."""

    form: str
    classes: int
    rows: int
    process_mib: float


def picture_of(table: Sequence[Measured]) -> str:
    """SVG: one process, D = 512, from 10,000 to 100M classes. Lines: state, and logits where they are kept."""
    rows = table[0].rows
    across = Axis("classes", 1e4, MOST, logarithmic=True)
    up = Axis("GiB", 0.1, 2000, logarithmic=True)
    curves = []
    for colour, (form, name) in enumerate(FORMS.items()):
        dots = [(float(one.classes), one.process_mib / 1024) for one in table if one.form == form]
        base = dots[0][1] - gib(form, dots[0][0], rows) if dots else 0.3
        line = [(10 ** (4 + step / 8), gib(form, 10 ** (4 + step / 8), rows) + base) for step in range(33)]
        curves.append(Curve(f"{name}, computed", line, dashed=True, colour=colour))
        curves.append(Curve(f"{name}, measured", dots, colour=colour, dots=True))
    title = f"Memory of one process, D = 512, B = {rows}, fp32 with momentum"
    return picture(title, across, up, curves)


def gib(form: str, classes: float, rows: int, dimension: int = 512) -> float:
    """Rows and momentum; the dense form also keeps their gradient, directions and the directions' gradient, and
    about five float32 of every logit.
    """
    row = dimension * 4
    if form == "dense":
        return classes * (5 * row + 5 * 4 * rows) / GIB
    return classes * 2 * row / GIB
