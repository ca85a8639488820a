"""Figure 2 of the Circle paper: its numbers against closed formulas, and the picture that they make."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.losses.pairwise import CirclePairs, Unified
from training.losses.rivals import TripletPairs
from training.reproduce.gradients import (
    AT_REST,
    STARTS,
    STRIDE,
    descents,
    gradient_picture,
    gradients,
    losses,
)

NAMESPACE = "{http://www.w3.org/2000/svg}"
AXIS = np.linspace(0.0, 1.0, 31)
OTHER, SAME = (axis.ravel() for axis in np.meshgrid(AXIS, AXIS))


def sigmoid(x: np.ndarray) -> np.ndarray:
    return np.exp(np.minimum(x, 0.0)) / (1.0 + np.exp(-np.abs(x)))


def test_am_softmax_pulls_both_alike_by_its_scale_times_a_sigmoid() -> None:
    by_other, by_same = gradients(Unified(64.0, 0.35), OTHER, SAME)
    wanted = 64.0 * sigmoid(64.0 * (OTHER - SAME + 0.35))
    np.testing.assert_allclose(by_other, wanted, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(by_same, -wanted, rtol=1e-9, atol=1e-12)


def test_triplet_pulls_by_two_wherever_it_costs_and_else_not() -> None:
    inside = np.abs(OTHER - SAME + 0.35) > 1e-9
    by_other, by_same = gradients(TripletPairs(0.7), OTHER, SAME)
    wanted = np.where(OTHER - SAME + 0.35 > 0, 2.0, 0.0)
    np.testing.assert_array_equal(by_other[inside], wanted[inside])
    np.testing.assert_array_equal(by_same[inside], -wanted[inside])


def test_triplet_is_where_the_unified_loss_tends_to() -> None:
    by_other, _ = gradients(Unified(1e5, 0.35), OTHER, SAME)
    triplet, _ = gradients(TripletPairs(0.7), OTHER, SAME)
    apart = np.abs(OTHER - SAME + 0.35) > 1e-3
    np.testing.assert_allclose(by_other[apart] / 1e5, triplet[apart] / 2.0, atol=1e-12)


@given(st.floats(16.0, 256.0), st.floats(0.05, 0.45))
def test_circle_weighs_each_by_its_own_distance_to_the_optimum(scale: float, margin: float) -> None:
    by_other, by_same = gradients(CirclePairs(scale, margin), OTHER, SAME)
    pace_other, pace_same = OTHER + margin, 1.0 + margin - SAME
    exponent = scale * (pace_other * (OTHER - margin) - pace_same * (SAME - 1.0 + margin))
    np.testing.assert_allclose(by_other, scale * pace_other * sigmoid(exponent), rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(by_same, -scale * pace_same * sigmoid(exponent), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("at", [1, 2])
def test_a_drawn_boundary_is_where_half_of_the_gradient_is_left(at: int) -> None:
    drawn = losses()[at]
    across = np.linspace(0.0, 0.3, 7)
    by_other, by_same = gradients(drawn.loss, across, drawn.boundary(across))
    full = 64.0 if at == 1 else 256.0 * (across + 0.25)
    np.testing.assert_allclose(by_other, np.broadcast_to(full, 7) / 2.0, rtol=1e-9)
    assert (by_same < 0).all()


def test_circles_boundary_is_a_circle_around_the_optimum() -> None:
    drawn = losses()[2]
    across = np.array([0.0, 0.1, 0.25, 0.3, 0.36])
    up = drawn.boundary(across)
    np.testing.assert_allclose(np.hypot(across[:4], 1.0 - up[:4]), np.sqrt(2.0) * 0.25, rtol=1e-12)
    assert np.isnan(up[4])


@pytest.mark.parametrize("at", [0, 1, 2])
def test_descents_end_beyond_the_boundary_where_the_gradient_is_spent(at: int) -> None:
    drawn, most = losses()[at], (2.0, 64.0, 320.0)[at]
    starts = list(STARTS.values())
    for start, way in zip(starts, descents(drawn.loss, starts, most), strict=True):
        assert way == descents(drawn.loss, [start], most)[0]
        points = np.array(way)
        assert tuple(points[0]) == start
        assert np.abs(np.diff(points, axis=0)).max() <= STRIDE * (1 + 1e-9)
        other, same = points[-1]
        assert same >= drawn.boundary(np.array([other]))[0] - STRIDE
        found = gradients(drawn.loss, points[-1, :1], points[-1, 1:])
        assert max(abs(found[0][0]), abs(found[1][0])) < AT_REST * most


def test_where_both_similarities_are_high_circle_goes_for_the_between_class_one() -> None:
    ends = {}
    for drawn, most in zip(losses(), (2.0, 64.0, 320.0), strict=True):
        first, second = descents(drawn.loss, [STARTS["A"]], most)[0][:2]
        ends[drawn.name.split(",")[0]] = (first[0] - second[0]) / (second[1] - first[1])
    assert ends["triplet"] == pytest.approx(1.0)
    assert ends["AM-Softmax"] == pytest.approx(1.0)
    assert ends["Circle"] == pytest.approx((0.8 + 0.25) / (1.25 - 0.8))


def test_the_picture_is_well_formed_the_same_each_time_and_has_no_image() -> None:
    svg = gradient_picture(fields=10)
    assert svg == gradient_picture(fields=10)
    tree = ET.fromstring(svg)
    assert not list(tree.iter(f"{NAMESPACE}image"))
    texts = [element.text for element in tree.iter(f"{NAMESPACE}text")]
    assert [texts.count(name) for name in STARTS] == [6, 6, 6]
    assert "Circle, m = 0.25, g = 256" in texts
    assert len(list(tree.iter(f"{NAMESPACE}polyline"))) == 6 * (1 + len(STARTS))
