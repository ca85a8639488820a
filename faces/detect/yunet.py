"""YuNet's twelve outputs -> candidates. Pure arrays; runs no model.

YuNet: A Tiny Millisecond-level Face Detector (Wu et al. 2023). Anchor-free: at each stride s every cell
predicts class and object confidence, a box (centre in cells, log of size in cells) and five points.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from faces.detect.candidates import Candidates, by_image

STRIDES = (8, 16, 32)
OUTPUTS = tuple(f"{kind}_{stride}" for kind in ("cls", "obj", "bbox", "kps") for stride in STRIDES)


def decode(outputs: Mapping[str, NDArray[np.float32]], width: int, score: float) -> list[Candidates]:
    """Candidates of each image with a confidence of at least `score`, in pixels of the detector's input.

    outputs: by name, OUTPUTS; cls and obj (B, cells, 1), bbox (B, cells, 4), kps (B, cells, 10), the cells of
    a stride row by row. width: of the input, a multiple of 32. The confidence is the geometric mean of
    class and object confidence, as its authors use it.
    """
    images = outputs[OUTPUTS[0]].shape[0]
    parts = []
    for stride in STRIDES:
        confidence = outputs[f"cls_{stride}"][:, :, 0] * outputs[f"obj_{stride}"][:, :, 0]
        # Compared before the root is taken: of thousands of cells few remain.
        image, cell = np.nonzero(confidence >= score * score)
        if not cell.size:
            continue
        row, column = np.divmod(cell, width // stride)
        corner = np.stack([column, row], axis=1).astype(np.float32)  # (N, 2)
        box = outputs[f"bbox_{stride}"][image, cell]
        centre = (corner + box[:, :2]) * stride
        half = np.exp(box[:, 2:]) * (stride / 2)
        points = outputs[f"kps_{stride}"][image, cell].reshape(-1, 5, 2)
        parts.append(
            (
                image,
                np.concatenate([centre - half, centre + half], axis=1),
                (points + corner[:, None]) * stride,
                np.sqrt(confidence[image, cell]),
            )
        )
    return by_image(images, parts)
