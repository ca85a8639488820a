"""From crops as the house keeps them to what every network takes; crops nothing, augments nothing."""

from __future__ import annotations

import torch
from torch import Tensor

HALF = 127.5
"""Half of the largest value of a pixel."""


def normalised(crops: Tensor) -> Tensor:
    """Crops (B, 112, 112, 3) uint8, BGR -> images (B, 3, 112, 112) float32, RGB, (x - 127.5) / 127.5: -1..1.

    BGR is how the house decodes and aligns; RGB is what the published face nets take, teachers among them. The
    result lies in channels-last order without a copy. Any device. ValueError names a wrong type or shape.
    """
    if crops.dtype != torch.uint8 or crops.ndim != 4 or crops.shape[-1] != 3:
        raise ValueError(f"crops must be uint8 (B, H, W, 3); these are {crops.dtype} {tuple(crops.shape)}")
    return (crops.flip(-1).permute(0, 3, 1, 2).float() - HALF) / HALF
