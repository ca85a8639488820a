"""An analyzer without models, for tests and benchmarks of what stands around one: costs what it is told to."""

from __future__ import annotations

import time
from collections.abc import Sequence
from threading import Event

import numpy as np
from numpy.typing import NDArray

from faces.face import Detection, Face, Image, Quality

LIMIT = 30.0


class FakeAnalyzer:
    """Finds as many faces as the first pixel says; an embedding is the pixel and the rank. Costs what it is told."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.detected: list[int] = []
        self.embedded: list[list[tuple[int, int]]] = []
        self.entered = Event()
        self.go = Event()
        self.go.set()

    def detect(self, images: Sequence[Image], max_faces: int = 100) -> list[list[Detection]]:
        self.detected.append(len(images))
        self.entered.set()
        assert self.go.wait(LIMIT)
        time.sleep(self.seconds)
        return [[self._detection(rank) for rank in range(int(image[0, 0, 0]) % 100)] for image in images]

    def judge(self, image: Image, detections: Sequence[Detection]) -> list[Face]:
        quality = Quality(1, 1, 1, 1, 0, 0, 0, ())
        crop = np.zeros((112, 112, 3), np.uint8)
        return [Face(detection, quality, crop) for detection in detections]

    def crops(self, image: Image, faces: Sequence[Face]) -> NDArray[np.uint8]:
        crops = np.zeros((len(faces), 4, 4, 3), np.uint8)
        crops[:, 0, 0, 0] = image[0, 0, 0]
        crops[:, 0, 0, 1] = [int(face.detection.score) for face in faces]
        return crops

    def embed_crops(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.embedded.append([(int(crop[0, 0, 0]), int(crop[0, 0, 1])) for crop in crops])
        time.sleep(self.seconds)
        if (crops[:, 0, 0, 0] == 66).any():
            raise ValueError("66 cannot be embedded")
        return crops[:, 0, 0, :2].astype(np.float32)

    def _detection(self, rank: int) -> Detection:
        return Detection(np.zeros(4, np.float32), np.zeros((5, 2), np.float32), float(rank))
