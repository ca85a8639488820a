"""SCRFD's nine outputs -> candidates. Pure arrays; runs no model.

SCRFD: Sample and Computation Redistribution for Efficient Face Detection (Guo et al. 2021). Two anchors a
cell at strides 8, 16, 32; a box is four distances, five points are offsets, in strides from the cell.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from faces.detect.candidates import Candidates, by_image

STRIDES = (8, 16, 32)
ANCHORS = 2


def decode(outputs: Sequence[NDArray[np.float32]], width: int, score: float) -> list[Candidates]:
    """Candidates of each image with a score of at least `score`, in pixels of the detector's input.

    outputs: in the order scores 8 16 32, boxes 8 16 32, points 8 16 32; each (B, rows, k), or (rows, k) for
    B = 1, k = 1, 4, 10; rows are the cells of a stride row by row, both anchors of a cell together.
    width: of the input, a multiple of 32.
    """
    if len(outputs) != 9:
        raise ValueError(f"SCRFD with five points has 9 outputs, this model has {len(outputs)}")
    batched = [out if out.ndim == 3 else out[None] for out in outputs]
    parts = []
    for level, stride in enumerate(STRIDES):
        confidence, boxes, points = batched[level][:, :, 0], batched[level + 3], batched[level + 6]
        image, anchor = np.nonzero(confidence >= score)
        if not anchor.size:
            continue
        row, column = np.divmod(anchor // ANCHORS, width // stride)
        corner = np.stack([column, row], axis=1).astype(np.float32) * stride  # (N, 2)
        reach = boxes[image, anchor] * stride
        parts.append(
            (
                image,
                np.concatenate([corner - reach[:, :2], corner + reach[:, 2:]], axis=1),
                points[image, anchor].reshape(-1, 5, 2) * stride + corner[:, None],
                confidence[image, anchor],
            )
        )
    return by_image(batched[0].shape[0], parts)
