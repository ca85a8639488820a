"""Pictures: well-formed, deterministic, and with every point where the axes put it."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.report.svg import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axis, Curve, picture, tick_label
from evaluation.verification.curves import _stairs
from evaluation.verification.measures import roc

NAMESPACE = "{http://www.w3.org/2000/svg}"
FAR = Axis("FAR", 1e-4, 1.0, logarithmic=True)
TAR = Axis("TAR", 0.9, 1.0)


def drawn_points(svg: str) -> list[list[tuple[float, float]]]:
    lines = ET.fromstring(svg).iter(f"{NAMESPACE}polyline")
    return [
        [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()] for line in lines
    ]


def test_points_lie_where_the_axes_put_them() -> None:
    svg = picture("ROC", FAR, TAR, [Curve("a", [(1e-4, 0.9), (1e-2, 0.95), (1.0, 1.0)])])
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    assert drawn_points(svg) == [
        [
            (LEFT, bottom),
            (pytest.approx((LEFT + right) / 2, abs=0.1), pytest.approx((TOP + bottom) / 2, abs=0.1)),
            (right, TOP),
        ]
    ]


def test_values_beyond_an_axis_are_drawn_on_its_edge() -> None:
    svg = picture("ROC", FAR, TAR, [Curve("a", [(0.0, 0.2), (2.0, 3.0)])])
    assert drawn_points(svg) == [[(LEFT, HEIGHT - BOTTOM), (WIDTH - RIGHT, TOP)]]


def test_text_is_escaped_and_the_same_input_gives_the_same_bytes() -> None:
    curves = [Curve("<script>&", [(0.1, 0.95), (0.2, 0.96)], dashed=True)]
    svg = picture('"A" & <b>', FAR, TAR, curves)
    assert "<script>" not in svg
    assert svg == picture('"A" & <b>', FAR, TAR, curves)
    texts = [element.text for element in ET.fromstring(svg).iter(f"{NAMESPACE}text")]
    assert "<script>&" in texts
    assert "1e-3" in texts


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6))
def test_ticks_are_few_round_and_inside_the_axis(low: float, length: float) -> None:
    axis = Axis("x", low, low + length)
    ticks = axis.ticks()
    assert 2 <= len(ticks) <= 10
    assert all(low - length * 1e-6 <= tick <= low + length * (1 + 1e-6) for tick in ticks)


def test_a_logarithmic_axis_has_its_decades() -> None:
    assert Axis("x", 1e-3, 1.0, logarithmic=True).ticks() == pytest.approx([1e-3, 1e-2, 0.1, 1.0])
    assert [tick_label(10.0**power, True) for power in (-4, -1, 0, 4, 8)] == [
        "1e-4",
        "0.1",
        "1",
        "10000",
        "1e8",
    ]


def test_single_measurements_are_dots_and_what_is_computed_a_dashed_line() -> None:
    axis = Axis("x", 0.0, 1.0)
    drawn = picture(
        "title",
        axis,
        axis,
        [Curve("was", [(0.5, 0.5), (1, 1)], dots=True), Curve("is", [(0, 0), (1, 1)], dashed=True)],
    )
    assert drawn.count("<circle") == 3, "two points and the legend's"
    assert drawn.count("<polyline") == 1
    assert drawn.count("stroke-dasharray") == 2


def test_an_axis_that_does_not_rise_is_refused() -> None:
    with pytest.raises(ValueError, match="must rise"):
        Axis("x", 1.0, 1.0)
    with pytest.raises(ValueError, match="must begin above 0"):
        Axis("x", 0.0, 1.0, logarithmic=True)


def test_a_roc_is_drawn_as_the_best_tar_that_keeps_each_far() -> None:
    curve = roc([0.9, 0.8, 0.7, 0.6, 0.5, 0.4], np.array([True, True, False, True, False, False]))
    assert _stairs(curve, 0.1) == [
        (0.1, 2 / 3),
        (1 / 3, 2 / 3),
        (1 / 3, 1.0),
        (2 / 3, 1.0),
        (1.0, 1.0),
    ]
    assert _stairs(curve, 1 / 3) == [(1 / 3, 1.0), (2 / 3, 1.0), (1.0, 1.0)]
