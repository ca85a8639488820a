"""Square heat maps side by side as SVG text, deterministic so that pictures can be compared; computes no value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

import numpy as np
from numpy.typing import NDArray

SIDE, LEFT, TOP, GAP, ABOVE = 200, 56, 78, 44, 40
LEVELS = 24
"""Shades; fields of one shade are one path."""

LIGHT, DARK = (255, 255, 255), (11, 98, 164)
LINE, PATH = "#444444", "#c0504d"
OVER_DARK = ' font-weight="600" paint-order="stroke" stroke="#ffffff" stroke-width="3"'


@dataclass(frozen=True)
class Path:
    """A way through the unit square, with a name at its start and a dot at its end."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    """values: (n, n), at least 0, row 0 at the bottom. most: the value of the darkest shade.

    boundary: points of a dashed line. paths: over it. All in the unit square, across and up.
    """

    title: str
    values: NDArray[np.float64]
    most: float
    boundary: Sequence[tuple[float, float]] = ()
    paths: Sequence[Path] = field(default_factory=tuple)


def heat_maps(title: str, across: str, up: str, rows: Sequence[Sequence[Panel]]) -> str:
    """An SVG document of rows of panels, each over the unit square. ValueError for values that no shade stands for."""
    width = LEFT + max(len(row) for row in rows) * (SIDE + GAP)
    height = TOP + len(rows) * (SIDE + GAP + ABOVE)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" font-family="system-ui, sans-serif" font-size="13">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        _text(LEFT, 26, title, "start", ' font-size="15" font-weight="600"'),
    ]
    for down, row in enumerate(rows):
        for right, panel in enumerate(row):
            x, y = LEFT + right * (SIDE + GAP), TOP + down * (SIDE + GAP + ABOVE)
            parts += _panel(panel, x, y, across, up)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(panel: Panel, x: int, y: int, across: str, up: str) -> list[str]:
    values = panel.values
    if values.ndim != 2 or values.shape[0] != values.shape[1]:
        raise ValueError(f"{panel.title}: a square of values is needed; these are {values.shape}")
    if not (np.isfinite(values).all() and values.min() >= 0.0 and panel.most > 0.0):
        raise ValueError(f"{panel.title}: values are finite and at least 0, their scale above 0")
    parts = [_text(x + SIDE / 2, y - 10, panel.title, "middle"), *_fields(panel, x, y)]
    for tick in (0.0, 0.5, 1.0):
        parts.append(_text(x + tick * SIDE, y + SIDE + 16, f"{tick:g}", "middle"))
        parts.append(_text(x - 6, y + (1.0 - tick) * SIDE + 4, f"{tick:g}", "end"))
    parts.append(_text(x + SIDE / 2, y + SIDE + 32, across, "middle"))
    parts.append(_text(x - 20, y + SIDE / 4 + 4, up, "middle"))
    parts.append(f'<rect x="{x}" y="{y}" width="{SIDE}" height="{SIDE}" fill="none" stroke="{LINE}"/>')
    if panel.boundary:
        parts.append(_polyline(panel.boundary, x, y, LINE, ' stroke-dasharray="5 4"'))
    for path in panel.paths:
        parts.append(_polyline(path.points, x, y, PATH, ' stroke-width="2"'))
        (from_x, from_y), (to_x, to_y) = (_place(path.points[at], x, y) for at in (0, -1))
        parts.append(f'<circle cx="{to_x:.1f}" cy="{to_y:.1f}" r="3.5" fill="{PATH}"/>')
        parts.append(_text(from_x + 5, from_y - 5, path.name, "start", OVER_DARK))
    return parts


def _fields(panel: Panel, x: int, y: int) -> list[str]:
    """A path a shade, of the stretches of fields that have it."""
    count = len(panel.values)
    shades = np.rint(np.clip(panel.values / panel.most, 0.0, 1.0) * (LEVELS - 1)).astype(int)
    size = SIDE / count
    stretches: dict[int, list[str]] = {}
    for row in range(count):
        ends = np.flatnonzero(np.diff(shades[row])) + 1
        for start, end in zip([0, *ends.tolist()], [*ends.tolist(), count], strict=True):
            place = f"M{_short(x + start * size)} {_short(y + (count - 1 - row) * size)}"
            wide, high = _short((end - start) * size), _short(size)
            stretches.setdefault(int(shades[row, start]), []).append(f"{place}h{wide}v{high}h-{wide}z")
    return [
        f'<path d="{"".join(stretches[shade])}" fill="{_shade(shade)}" shape-rendering="crispEdges"/>'
        for shade in sorted(stretches)
        if shade
    ]


def _shade(level: int) -> str:
    share = level / (LEVELS - 1)
    mixed = (round(light + share * (dark - light)) for light, dark in zip(LIGHT, DARK, strict=True))
    return "#" + "".join(f"{part:02x}" for part in mixed)


def _place(point: tuple[float, float], x: int, y: int) -> tuple[float, float]:
    return x + point[0] * SIDE, y + (1.0 - point[1]) * SIDE


def _polyline(points: Sequence[tuple[float, float]], x: int, y: int, colour: str, more: str) -> str:
    drawn = " ".join(f"{right:.1f},{down:.1f}" for right, down in (_place(point, x, y) for point in points))
    return f'<polyline points="{drawn}" fill="none" stroke="{colour}"{more}/>'


def _text(x: float, y: float, text: str, anchor: str, more: str = "") -> str:
    return (
        f'<text x="{_short(x)}" y="{_short(y)}" text-anchor="{anchor}" fill="#444444"{more}>'
        f"{escape(text)}</text>"
    )


def _short(number: float) -> str:
    return f"{number:.2f}".rstrip("0").rstrip(".")
