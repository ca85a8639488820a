"""What is known about one face in one image: plain values that pass between the stages. No behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""(H, W, 3) uint8, channels blue, green, red, upright (EXIF orientation already applied)."""

Crop = NDArray[np.uint8]
"""(112, 112, 3) uint8, blue, green, red: a face aligned to the five-point template."""


class Reason(StrEnum):
    """Why a face, or a whole image, was not accepted. The words are part of the REST contract."""

    NO_FACE = "no_face"
    MULTIPLE_FACES = "multiple_faces"
    SMALL_FACE = "small_face"
    BLURRED = "blurred"
    DARK = "dark"
    EXTREME_POSE = "extreme_pose"
    LOW_CONFIDENCE = "low_confidence"
    INVALID_IMAGE = "invalid_image"
    TOO_LARGE = "too_large"
    UNSUPPORTED_TYPE = "unsupported_type"


@dataclass(frozen=True)
class Detection:
    """One face as the detector saw it, in pixels of the upright image.

    box: (4,) float32, x1 y1 x2 y2; may reach beyond the image's border.
    landmarks: (5, 2) float32, x y of: the eye at the left of the image, the eye at its right, nose tip, the
    mouth's corner at the left of the image, its corner at the right.
    score: 0..1, the detector's own confidence.
    """

    box: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    score: float


@dataclass(frozen=True)
class Quality:
    """How fit a face is for recognition.

    score: 0..1, weights samples in a person's mean template. face_size: shorter side of the box, pixels.
    sharpness: >= 0, variance of the Laplacian on the aligned crop. brightness: 0..255, mean luma of the crop.
    yaw, pitch, roll: degrees, estimated from the landmarks alone.
    reasons: what a strict caller would reject this face for; empty when nothing is wrong.
    """

    score: float
    face_size: float
    sharpness: float
    brightness: float
    yaw: float
    pitch: float
    roll: float
    reasons: tuple[Reason, ...]


@dataclass(frozen=True)
class Face:
    """A detected and judged face. `embedding` is (D,) float32 of unit length, or None where not asked for."""

    detection: Detection
    quality: Quality
    crop: Crop
    embedding: NDArray[np.float32] | None = None
