"""What a detector proposes in one image before those for the same face are merged: arrays, not yet faces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faces.detect.nms import suppress
from faces.face import Detection

Part = tuple[NDArray[np.intp], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
"""What one stride found in a batch: image (N,), boxes (N, 4), landmarks (N, 5, 2), scores (N,)."""


@dataclass(frozen=True)
class Candidates:
    """boxes: (N, 4) float32, x1 y1 x2 y2. landmarks: (N, 5, 2) float32, x y. scores: (N,) float32, 0..1."""

    boxes: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    scores: NDArray[np.float32]

    def moved(self, scale: float, left: float, top: float) -> Candidates:
        """In another frame, where a point (x, y) of this one stands at (x, y) * scale + (left, top)."""
        shift = np.array([left, top], np.float32)
        scale32 = np.float32(scale)
        return Candidates(
            self.boxes * scale32 + np.concatenate([shift, shift]),
            self.landmarks * scale32 + shift,
            self.scores,
        )

    def joined(self, other: Candidates) -> Candidates:
        """Both sets, of the same frame."""
        return Candidates(
            np.concatenate([self.boxes, other.boxes]),
            np.concatenate([self.landmarks, other.landmarks]),
            np.concatenate([self.scores, other.scores]),
        )

    def detections(self, iou: float) -> list[Detection]:
        """One Detection a face, the largest box first; what has no extent or is not finite is left out."""
        found = [
            Detection(self.boxes[at], self.landmarks[at], min(1.0, float(self.scores[at])))
            for at in suppress(self.boxes, self.scores, iou)
            if _plausible(self.boxes[at], self.landmarks[at])
        ]
        return sorted(found, key=lambda face: -area(face.box))


def area(box: NDArray[np.float32]) -> float:
    """Of a box (4,), square pixels."""
    return float((box[2] - box[0]) * (box[3] - box[1]))


def by_image(images: int, parts: list[Part]) -> list[Candidates]:
    """Sort what the strides that found anything found in a batch by image."""
    if not parts:
        empty = np.zeros((0, 4), np.float32)
        return [Candidates(empty, np.zeros((0, 5, 2), np.float32), empty[:, 0])] * images
    image, boxes, landmarks, scores = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    if images == 1:
        return [Candidates(boxes, landmarks, scores)]
    return [
        Candidates(boxes[image == at], landmarks[image == at], scores[image == at]) for at in range(images)
    ]


def _plausible(box: NDArray[np.float32], landmarks: NDArray[np.float32]) -> bool:
    extent = landmarks.max(axis=0) - landmarks.min(axis=0)
    return bool(
        np.isfinite(box).all()
        and np.isfinite(landmarks).all()
        and min(box[2] - box[0], box[3] - box[1]) >= 1
        and extent.max() >= 1
    )
