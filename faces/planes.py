"""Pixels as images hold them -> the planes of numbers a model reads. Runs no model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faces.manifest import EmbedderSpec, Normalisation


def to_planes(images: NDArray[np.uint8], normalisation: Normalisation) -> NDArray[np.float32]:
    """(N, H, W, 3) uint8, blue green red -> (N, 3, H, W) float32 in the model's channel order, normalised."""
    batch = np.empty((len(images), 3, *images.shape[1:3]), np.float32)
    for plane in range(3):
        batch[:, plane] = images[..., 2 - plane if normalisation.channels == "rgb" else plane]
    if any(normalisation.mean):
        batch -= np.array(normalisation.mean, np.float32)[:, None, None]
    if normalisation.std != (1.0, 1.0, 1.0):
        batch /= np.array(normalisation.std, np.float32)[:, None, None]
    return batch


def to_input(crops: NDArray[np.uint8], spec: EmbedderSpec) -> NDArray[np.float32] | NDArray[np.uint8]:
    """(N, S, S, 3) uint8, blue green red -> what the embedder's graph takes, by its layout."""
    if spec.layout == "nchw":
        return to_planes(crops, spec.normalisation)
    if spec.layout == "nhwc-uint8":
        return np.ascontiguousarray(crops)
    return np.ascontiguousarray(crops.transpose(0, 3, 1, 2))
