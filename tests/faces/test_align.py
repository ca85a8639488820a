"""The similarity transform, the crop it cuts, and the pose read from the same five points."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faces.align import TEMPLATE, align, similarity
from faces.face import Detection, Reason
from faces.quality import _HEAD, QualityLimits, judge, pose

coordinate = st.floats(-500, 500, allow_subnormal=False)
points = st.lists(st.tuples(coordinate, coordinate), min_size=5, max_size=5).map(np.array)


def _spread(source: np.ndarray) -> float:
    return float(np.linalg.norm(source - source.mean(axis=0)))


def _by_least_squares(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The literal problem: x' = a x - b y + c, y' = b x + a y + d, in four unknowns."""
    x, y = source.T
    zero, one = np.zeros(len(x)), np.ones(len(x))
    rows = np.concatenate([np.column_stack([x, -y, one, zero]), np.column_stack([y, x, zero, one])])
    (a, b, c, d), *_ = np.linalg.lstsq(rows, np.concatenate([target[:, 0], target[:, 1]]), rcond=None)
    return np.array([[a, -b, c], [b, a, d]])


@given(points, st.floats(0.01, 50), st.floats(-np.pi, np.pi), coordinate, coordinate)
def test_any_similarity_is_recovered_exactly(
    source: np.ndarray, scale: float, angle: float, right: float, down: float
) -> None:
    if _spread(source) < 1:
        return
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    target = source @ turn.T + (right, down)
    found = similarity(source, target)
    assert np.allclose(found, np.column_stack([turn, (right, down)]), atol=1e-6 * scale * 500)


@given(points, points)
def test_the_closed_form_is_the_least_squares_solution(source: np.ndarray, target: np.ndarray) -> None:
    if _spread(source) < 1:
        return
    assert np.allclose(similarity(source, target), _by_least_squares(source, target), atol=1e-5)


def test_points_that_fall_together_give_a_finite_transform() -> None:
    found = similarity(np.full((5, 2), 7.0), TEMPLATE)
    assert np.isfinite(found).all()
    assert not found[:, :2].any()


def test_landmarks_on_the_template_cut_the_image_itself() -> None:
    image = np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    assert np.abs(align(image, TEMPLATE.astype(np.float32)).astype(int) - image).max() <= 1


@pytest.mark.parametrize("side", [112, 128])
@pytest.mark.parametrize("size", [0.4, 1.0, 2.4, 5.3, 11.0])
def test_a_face_of_any_size_is_cut_at_the_same_place(size: float, side: int) -> None:
    """A picture with smooth detail, enlarged by `size`, gives the crop of the picture itself."""
    noise = np.random.default_rng(1).random((140, 140, 3))
    smooth = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 8), None, 0, 255, cv2.NORM_MINMAX)
    picture = smooth.astype(np.uint8)
    landmarks = (TEMPLATE + 14).astype(np.float32)
    large = cv2.resize(
        picture, None, fx=size, fy=size, interpolation=cv2.INTER_AREA if size < 1 else cv2.INTER_CUBIC
    )
    moved = ((landmarks + 0.5) * large.shape[0] / 140 - 0.5).astype(np.float32)
    straight = align(picture, landmarks, side)
    assert np.abs(align(large, moved, side).astype(int) - straight).mean() < 2


def test_a_face_outside_the_image_gives_a_black_crop() -> None:
    image = np.full((50, 50, 3), 200, np.uint8)
    for scale in (1, 20):
        assert not align(image, (TEMPLATE * scale + 9000).astype(np.float32)).any()


def test_what_lies_beyond_the_border_is_black_and_the_rest_is_kept() -> None:
    image = np.full((112, 112, 3), 200, np.uint8)
    crop = align(image, (TEMPLATE - 56).astype(np.float32))
    assert (crop[60:, 60:] == 200).all() or (crop[:50, :50] == 200).all()
    assert (crop == 0).any()


angle = st.floats(-40, 40)


@settings(max_examples=60)
@given(angle, angle, angle, st.floats(0.5, 10))
def test_pose_is_read_back_from_a_turned_head(yaw: float, pitch: float, roll: float, scale: float) -> None:
    right, below, lean = np.radians([yaw, pitch, roll])
    turn_y = np.array([[np.cos(right), 0, np.sin(right)], [0, 1, 0], [-np.sin(right), 0, np.cos(right)]])
    turn_x = np.array([[1, 0, 0], [0, np.cos(below), np.sin(below)], [0, -np.sin(below), np.cos(below)]])
    turn_z = np.array([[np.cos(lean), -np.sin(lean), 0], [np.sin(lean), np.cos(lean), 0], [0, 0, 1]])
    seen = (
        scale * (turn_z @ (turn_y if pitch == 0 else turn_x if yaw == 0 else turn_y @ turn_x) @ _HEAD.T)[:2].T
    )
    found = pose(seen + 300)
    # Turned about one axis the answer is exact; about both, yaw and pitch share one definition of many.
    tolerance = 0.01 if yaw == 0 or pitch == 0 else 15.1  # degrees, at 40 of both
    assert np.allclose(found, (yaw, pitch, roll), atol=tolerance)


@given(st.sampled_from([0, 1]), angle, angle)
def test_pose_about_one_axis_is_exact(axis: int, turned: float, roll: float) -> None:
    wanted = [0.0, 0.0, roll]
    wanted[axis] = turned
    test_pose_is_read_back_from_a_turned_head.hypothesis.inner_test(*wanted, 3.0)


def test_pose_of_points_that_fall_together_is_zero() -> None:
    assert pose(np.zeros((5, 2), np.float32)) == (0.0, 0.0, 0.0)


def _face(size: float, score: float = 0.9, landmarks: np.ndarray = TEMPLATE) -> Detection:
    return Detection(
        np.array([10, 10, 10 + size, 10 + size * 1.3], np.float32), landmarks.astype(np.float32), score
    )


def test_each_fault_has_its_own_reason_and_costs_quality() -> None:
    crop = np.random.default_rng(3).integers(60, 200, (112, 112, 3), dtype=np.uint8)
    good = judge(_face(100), crop)
    assert good.reasons == ()
    assert good.score > 0.9
    turned = TEMPLATE.copy()
    turned[2, 0] += 30
    faults = {
        Reason.SMALL_FACE: judge(_face(10), crop),
        Reason.BLURRED: judge(_face(100), cv2.GaussianBlur(crop, (0, 0), 9)),
        Reason.DARK: judge(_face(100), (crop // 12).astype(np.uint8)),
        Reason.EXTREME_POSE: judge(_face(100, landmarks=turned), crop),
        Reason.LOW_CONFIDENCE: judge(_face(100, score=0.3), crop),
    }
    for reason, quality in faults.items():
        assert reason in quality.reasons
        assert quality.score < good.score


def test_quality_limits_are_the_callers_own() -> None:
    crop = np.full((112, 112, 3), 128, np.uint8)
    lenient = QualityLimits(face_size=1, sharpness=0)
    assert Reason.BLURRED in judge(_face(100), crop).reasons
    assert judge(_face(20), crop, lenient).reasons == ()
