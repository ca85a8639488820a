"""Five landmarks -> an upright square crop, by the similarity that fits a template best. Judges nothing."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from faces.face import Crop, Image

CROP = 112

# ArcFace (Deng et al. 2019), its published alignment: left eye, right eye, nose, mouth corners, as seen.
TEMPLATE: NDArray[np.float64] = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)


def similarity(source: NDArray[Any], target: NDArray[Any]) -> NDArray[np.float64]:
    """The rotation, scale and shift (no mirroring) that bring `source` closest to `target`, by least squares.

    source, target: (N, 2), N >= 2, points x y. Result (2, 3): target ~ A[:, :2] @ point + A[:, 2]. Closed
    form of Umeyama (1991) in the plane, where a rotation with scale is one complex number. Where all source
    points fall together the scale is 0.
    """
    from_ = np.asarray(source, np.float64) @ np.array([1, 1j])
    to = np.asarray(target, np.float64) @ np.array([1, 1j])
    centred = from_ - from_.mean()
    spread = np.vdot(centred, centred).real
    turn = np.vdot(centred, to - to.mean()) / spread if spread > 0 else 0j
    shift = to.mean() - turn * from_.mean()
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def align(image: Image, landmarks: NDArray[np.float32], side: int = CROP) -> Crop:
    """Cut out a face as (side, side, 3) uint8 by its (5, 2) landmarks; black where the image ends.

    For a side other than 112 the template is scaled by side / 112.
    """
    return cut(image, similarity(landmarks, TEMPLATE * (side / CROP)), side)


def cut(image: Image, matrix: NDArray[np.float64], side: int) -> Image:
    """(side, side, 3) uint8: the image under a similarity (2, 3), black where it ends.

    What is shown less than half its size is averaged down first: sampling it directly would alias.
    """
    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if 0 < scale <= 0.5:
        image, matrix = _shrink(image, matrix, side, int(1 / scale))
    if image.size == 0:
        return np.zeros((side, side, 3), np.uint8)
    return cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR).astype(np.uint8, copy=False)


def _shrink(
    image: Image, matrix: NDArray[np.float64], side: int, factor: int
) -> tuple[Image, NDArray[np.float64]]:
    """The part of the image that the crop shows, `factor` times smaller, and the transform from there."""
    corners = np.array([[0, 0], [side, 0], [0, side], [side, side]], np.float64)
    seen = (corners - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T
    height, width = image.shape[:2]
    left, top = np.clip(np.floor(seen.min(axis=0)).astype(int) - factor, 0, (width, height))
    right, bottom = np.clip(np.ceil(seen.max(axis=0)).astype(int) + factor, 0, (width, height))
    # Whole multiples of the factor: OpenCV averages those several times faster.
    right -= (right - left) % factor if right - left > factor else 0
    bottom -= (bottom - top) % factor if bottom - top > factor else 0
    part = image[top:bottom, left:right]
    if part.size == 0:
        return part, matrix
    small_size = (max(1, (right - left) // factor), max(1, (bottom - top) // factor))
    small = cv2.resize(part, small_size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    # Pixel centres: a point q of the small image stands at (q + 1/2) * step - 1/2 + (left, top).
    step = np.array([(right - left) / small_size[0], (bottom - top) / small_size[1]])
    origin = step / 2 - 0.5 + (left, top)
    return small, np.column_stack([matrix[:, :2] * step, matrix[:, :2] @ origin + matrix[:, 2]])
