"""Test features in two dimensions as a picture, a colour a class (after Wen 2016, figure 2); trains nothing.

Not in three: a sphere on paper hides its far half behind the near one, and shows nothing that the circle does not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evaluation.report.svg import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axis, Curve, picture

A_CLASS = 150
"""Dots of a class; more would make a large file and no other picture."""

RADIUS = 1.5
ROUND = 1.05


def feature_picture(
    title: str, embeddings: NDArray[np.float32], labels: NDArray[np.int64], seed: int = 0
) -> str:
    """An SVG of embeddings (N, 2), at most A_CLASS of each class of labels (N,), drawn by the seed.

    Both axes have one scale, around 0. The same input gives the same bytes. ValueError where there are not two
    dimensions.
    """
    if embeddings.ndim != 2 or embeddings.shape[1] != 2:
        raise ValueError(f"a picture has two dimensions; the embeddings are {embeddings.shape}")
    draw = np.random.default_rng(seed)
    curves = []
    for label in np.unique(labels).tolist():
        rows = np.flatnonzero(labels == label)
        chosen = np.sort(draw.permutation(rows)[:A_CLASS])
        points = [(float(x), float(y)) for x, y in embeddings[chosen]]
        curves.append(Curve(str(label), points, colour=int(label), dots=True, radius=RADIUS))
    reach = ROUND * max((max(abs(x), abs(y)) for curve in curves for x, y in curve.points), default=1.0)
    reach = reach or 1.0
    # One scale for both: the square of the features stands at the left, the legend beside it.
    shape = (WIDTH - LEFT - RIGHT) / (HEIGHT - TOP - BOTTOM)
    return picture(title, Axis("x", -reach, (2 * shape - 1) * reach), Axis("y", -reach, reach), curves)
