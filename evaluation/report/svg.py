"""Curves on two axes as SVG text, deterministic so that pictures can be compared; knows no face and no
figure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

COLOURS = (
    "#0b62a4",
    "#c0504d",
    "#3d8b37",
    "#7a4fa3",
    "#b36b00",
    "#3a8f8f",
    "#d1499b",
    "#8a7a00",
    "#5a5a5a",
    "#20b0e8",
)
WIDTH, HEIGHT = 720, 440
LEFT, RIGHT, TOP, BOTTOM = 76, 18, 44, 56


@dataclass(frozen=True)
class Axis:
    """From `low` to `high`, both shown; on a logarithmic axis both are above 0."""

    label: str
    low: float
    high: float
    logarithmic: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"axis {self.label!r} must rise; it goes from {self.low} to {self.high}")
        if self.logarithmic and self.low <= 0:
            raise ValueError(f"logarithmic axis {self.label!r} must begin above 0, not at {self.low}")

    def share(self, value: float) -> float:
        """0 at the low end, 1 at the high end; values beyond the ends lie on them."""
        value = min(max(value, self.low), self.high)
        if self.logarithmic:
            return (math.log10(value) - math.log10(self.low)) / (math.log10(self.high) - math.log10(self.low))
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        """Decades on a logarithmic axis; steps of 1, 2 or 5 times a power of ten, at most nine, on a linear
        one.
        """
        if self.logarithmic:
            first, last = math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9)
            return [10.0**power for power in range(first, last + 1)]
        rough = (self.high - self.low) / 8
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [round(n * step, 12) for n in range(first, last + 1)]


@dataclass(frozen=True)
class Curve:
    """Points in the units of the axes, joined in their order. dashed: for what was not measured. dots: single
    measurements, not joined, of this radius in pixels.
    """

    label: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False
    colour: int = 0
    dots: bool = False
    radius: float = 4.5


def picture(title: str, across: Axis, up: Axis, curves: Sequence[Curve], *, legend_left: bool = False) -> str:
    """An SVG document of WIDTH x HEIGHT, its legend at the bottom right, or left, without unlabelled curves."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'font-family="system-ui, sans-serif" font-size="13">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="26" font-size="15" font-weight="600" fill="#222222">{escape(title)}</text>',
        *_grid(across, up),
        *(_line(across, up, curve) for curve in curves if curve.points),
        *_legend(
            [curve for curve in curves if curve.label], LEFT + 16 if legend_left else WIDTH - RIGHT - 300
        ),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _x(axis: Axis, value: float) -> float:
    return LEFT + axis.share(value) * (WIDTH - LEFT - RIGHT)


def _y(axis: Axis, value: float) -> float:
    return HEIGHT - BOTTOM - axis.share(value) * (HEIGHT - TOP - BOTTOM)


def _grid(across: Axis, up: Axis) -> list[str]:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    for tick in across.ticks():
        x = _x(across, tick)
        parts.append(f'<path d="M{x:.1f} {TOP}V{bottom}" stroke="#dddddd"/>')
        parts.append(_text(x, bottom + 18, tick_label(tick, across.logarithmic), "middle"))
    for tick in up.ticks():
        y = _y(up, tick)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{right}" stroke="#dddddd"/>')
        parts.append(_text(LEFT - 8, y + 4, tick_label(tick, up.logarithmic), "end"))
    parts.append(f'<path d="M{LEFT} {TOP}V{bottom}H{right}" fill="none" stroke="#444444"/>')
    parts.append(_text((LEFT + right) / 2, HEIGHT - 12, across.label, "middle"))
    middle = (TOP + bottom) / 2
    parts.append(
        f'<text transform="translate(18 {middle:.1f}) rotate(-90)" text-anchor="middle" fill="#444444">'
        f"{escape(up.label)}</text>"
    )
    return parts


def _line(across: Axis, up: Axis, curve: Curve) -> str:
    if curve.dots:
        return "".join(_dot(_x(across, x), _y(up, y), curve) for x, y in curve.points)
    points = " ".join(f"{_x(across, x):.1f},{_y(up, y):.1f}" for x, y in curve.points)
    dash = ' stroke-dasharray="5 4"' if curve.dashed else ""
    colour = COLOURS[curve.colour % len(COLOURS)]
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>'


def _dot(x: float, y: float, curve: Curve) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{curve.radius}" fill="{COLOURS[curve.colour % len(COLOURS)]}"/>'


def _legend(curves: Sequence[Curve], x: float) -> list[str]:
    parts = []
    for row, curve in enumerate(reversed(curves)):
        y = HEIGHT - BOTTOM - 16 - 20 * row
        parts.append(_sample(x, y - 4, curve))
        parts.append(_text(x + 34, y, curve.label, "start"))
    return parts


def _sample(x: float, y: float, curve: Curve) -> str:
    if curve.dots:
        return _dot(x + 13, y, curve)
    dash = ' stroke-dasharray="5 4"' if curve.dashed else ""
    colour = COLOURS[curve.colour % len(COLOURS)]
    return f'<path d="M{x} {y}h26" stroke="{colour}" stroke-width="2"{dash}/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="#444444">{escape(text)}</text>'


def tick_label(value: float, logarithmic: bool) -> str:
    """`1e-3` on a logarithmic axis below .01 or from 100,000, else as short as it is exact."""
    if logarithmic and not 0.01 <= value < 1e5:
        return f"1e{round(math.log10(value))}"
    return f"{value:.10g}"
