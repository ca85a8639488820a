"""Of proposals for the same face, the most certain one. Works on arrays; knows no detector."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

NESTED = 0.7
"""Share of the smaller box inside the other from which both are one face: a detector that answers at two
scales gives a small box inside a large one, which intersection over union alone takes for two faces."""


def overlaps(box: Floats, boxes: Floats) -> tuple[Floats, Floats]:
    """Intersection of one box (4,) with boxes (N, 4), x1 y1 x2 y2, over the union and over the smaller.

    (N,) each, within 0..1.
    """
    x1, y1, x2, y2 = boxes.T
    width = np.minimum(x2, box[2]) - np.maximum(x1, box[0])
    height = np.minimum(y2, box[3]) - np.maximum(y1, box[1])
    inner = np.maximum(width, 0) * np.maximum(height, 0)
    area = (x2 - x1) * (y2 - y1)
    own = (box[2] - box[0]) * (box[3] - box[1])
    smallest = np.float32(1e-9)
    union, smaller = area + own - inner, np.minimum(area, own)
    return inner / np.maximum(union, smallest), inner / np.maximum(smaller, smallest)


def suppress(boxes: Floats, scores: Floats, iou: float, nested: float = NESTED) -> list[int]:
    """Greedy non-maximum suppression: indices kept, highest score first (ties: lowest index first).

    boxes: (N, 4) x1 y1 x2 y2. scores: (N,). A box goes where its intersection over union with a kept one
    exceeds `iou`, or more than `nested` of the smaller of the two lies inside the other.
    """
    waiting = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while waiting.size:
        best, waiting = int(waiting[0]), waiting[1:]
        kept.append(best)
        if waiting.size:
            union, smaller = overlaps(boxes[best], boxes[waiting])
            waiting = waiting[(union <= iou) & (smaller <= nested)]
    return kept
