"""First values of centroid rows, drawn by class id: any number of ranks draws the same matrix; trains nothing."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

DEVIATION = 0.01
"""Of each coordinate, as the published face trainers have it; only the direction of a row enters a loss."""

PAGE = 4096


def fill_rows(rows: Tensor, start: int, seed: int) -> None:
    """Fill `rows` (n, D), any floating dtype and device, with the first values of classes start..start+n-1.

    Coordinate k of class j is normal with mean 0 and DEVIATION, a function of (seed, j, k) alone: Philox
    (Salmon 2011), a generator that is read at any position, turned normal by Box and Muller.
    """
    for at in range(0, len(rows), PAGE):
        page = rows[at : at + PAGE]
        page.copy_(torch.from_numpy(_normal(start + at, len(page), page.shape[1], seed)))


def _normal(start: int, count: int, dimension: int, seed: int) -> NDArray[np.float32]:
    blocks = -(-dimension // 8)  # one step of Philox gives four words of 64 bits, a word two coordinates
    generator = np.random.Philox(key=seed)
    generator.advance(start * blocks)
    words = generator.random_raw(count * blocks * 4)
    # From 1 to 2^32 over 2^32: the logarithm of 0 is never asked for.
    radius = ((words >> np.uint64(32)).astype(np.float32) + 1.0) * np.float32(2.0**-32)
    angle = (words & np.uint64(0xFFFFFFFF)).astype(np.float32) * np.float32(2.0 * math.pi * 2.0**-32)
    radius = np.sqrt(-2.0 * np.log(np.minimum(radius, np.float32(1.0)))) * np.float32(DEVIATION)
    pairs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
    return pairs.reshape(count, blocks * 8)[:, :dimension]
