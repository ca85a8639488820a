"""How fit a face is for recognition: size, sharpness, light, pose, confidence. Runs no model."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from faces.align import TEMPLATE
from faces.face import Crop, Detection, Quality, Reason

# Depth of eyes, nose tip and mouth corners towards the viewer, in pixels of the 112 template: the nose tip of
# a generic adult head stands 26 mm before the plane of the eyes, which are 63 mm apart (35.2 pixels here).
_DEPTH = np.array([0.0, 0.0, 14.8, 1.1, 1.1])
# The median face of LFW counts as level: its nose tip, as YuNet marks it, stands 2.6 pixels under the template's
# (`python -m benchmarks.quality`, pitch).
_HEAD = np.column_stack([TEMPLATE + np.array([[0, 0], [0, 0], [0, 2.6], [0, 0], [0, 0]]), _DEPTH])
_HEAD_INVERSE: NDArray[np.float64] = np.linalg.pinv(_HEAD - _HEAD.mean(axis=0))  # (3, 5)


@dataclass(frozen=True)
class QualityLimits:
    """Where a strict caller says no.

    face_size: pixels of the box's shorter side. sharpness: variance of the Laplacian of the crop. brightness:
    mean luma, 0..255. yaw, pitch: degrees either way. score: the detector's confidence, 0..1.

    The first three are where spoilt photos begin to lose their person (`python -m benchmarks.quality`, default
    pack, LFW): the worst 5 % of templates keep a cosine of 0.82 with the untouched photo's at 28 pixels (0.68
    at 20), 0.82 at sharpness 17 (0.63 at 8.5) and 0.84 at brightness 22 (0.50 at 11). Yaw, pitch and score lie
    outside what LFW's photos show (99 % within 47 and 18 degrees and above 0.90).
    """

    face_size: float = 28.0
    sharpness: float = 15.0
    brightness: float = 22.0
    yaw: float = 55.0
    pitch: float = 35.0
    score: float = 0.7


DEFAULT_LIMITS = QualityLimits()


def judge(detection: Detection, crop: Crop, limits: QualityLimits = DEFAULT_LIMITS) -> Quality:
    """Judge one face by its detection (image pixels) and its aligned (S, S, 3) uint8 crop."""
    box = detection.box
    size = float(min(box[2] - box[0], box[3] - box[1]))
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)
    brightness = float(cv2.mean(grey)[0])
    # (1, 1) each: far cheaper than an array of floats and its variance.
    sharpness = float(cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))[1][0, 0]) ** 2
    yaw, pitch, roll = pose(detection.landmarks)
    checks = (
        (Reason.SMALL_FACE, size < limits.face_size),
        (Reason.BLURRED, sharpness < limits.sharpness),
        (Reason.DARK, brightness < limits.brightness),
        (Reason.EXTREME_POSE, abs(yaw) > limits.yaw or abs(pitch) > limits.pitch),
        (Reason.LOW_CONFIDENCE, detection.score < limits.score),
    )
    score = (
        _rise(size, limits.face_size / 2, limits.face_size * 2)
        * _rise(sharpness, limits.sharpness / 4, limits.sharpness * 4)
        * _rise(brightness, limits.brightness / 2, limits.brightness * 2)
        * _rise(-abs(yaw), -limits.yaw * 1.5, -limits.yaw / 3)
        * _rise(-abs(pitch), -limits.pitch * 1.5, -limits.pitch / 3)
        * _rise(detection.score, limits.score / 2, 0.9)
    )
    return Quality(
        score=score,
        face_size=size,
        sharpness=sharpness,
        brightness=brightness,
        yaw=yaw,
        pitch=pitch,
        roll=roll,
        reasons=tuple(reason for reason, failed in checks if failed),
    )


def pose(landmarks: NDArray[np.float32]) -> tuple[float, float, float]:
    """Yaw, pitch, roll in degrees from (5, 2) landmarks, by a generic head under parallel projection.

    The affine map from the head's points to the landmarks has a closed form; its rows, made unit vectors, are
    two rows of a rotation. yaw > 0: the nose turned to the right of the image. pitch > 0: looking down.
    roll > 0: the head leaning clockwise as seen. Landmarks that fall together give zeros.
    """
    points = np.asarray(landmarks, np.float64)
    across, down = (_HEAD_INVERSE @ (points - points.mean(axis=0))).T  # (3,) each
    lengths = np.linalg.norm(across), np.linalg.norm(down)
    if min(lengths) < 1e-9:
        return 0.0, 0.0, 0.0
    across, down = across / lengths[0], down / lengths[1]
    roll = np.arctan2(down[0] - across[1], across[0] + down[1])
    # In the head's own upright frame: undo the roll before depth is read.
    cosine, sine = np.cos(roll), np.sin(roll)
    right, below = cosine * across + sine * down, cosine * down - sine * across
    yaw = np.arctan2(right[2], np.hypot(right[0], right[1]))
    pitch = np.arctan2(below[2], np.hypot(below[0], below[1]))
    return float(np.degrees(yaw)), float(np.degrees(pitch)), float(np.degrees(roll))


def _rise(value: float, low: float, high: float) -> float:
    """0.1 at `low` and under it, 1 at `high` and above, linear between: no face weighs nothing."""
    if value >= high:
        return 1.0
    return 0.1 + 0.9 * min(1.0, max(0.0, (value - low) / (high - low)))
