"""Aligned crops -> unit templates, as the model pack's manifest says. Finds no faces."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from faces.align import CROP
from faces.manifest import EmbedderSpec, PackError
from faces.planes import to_input
from faces.session import Session

BATCH = 32
"""Crops in one run at most: beyond, a CPU gains nothing and memory grows."""


class Embedder:
    """An embedder of a pack, loaded. Threads may call it at once."""

    def __init__(self, session: Session, spec: EmbedderSpec) -> None:
        """Raises PackError where the graph does not take what the manifest's layout gives it."""
        _check_input(session, spec)
        self.spec = spec
        self._session = session

    def embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(N, S, S, 3) uint8 crops, blue green red -> (N, D) float32, rows of unit length.

        S is the spec's input, or 112: such crops are resized where the model wants another side. Raises
        ValueError on another type or shape, and where the model returns what cannot be a template.
        """
        side = self.spec.input
        if crops.dtype != np.uint8:
            raise ValueError(f"crops should be uint8, 0..255, got {crops.dtype}")
        if crops.ndim != 4 or crops.shape[1:] not in ((side, side, 3), (CROP, CROP, 3)):
            raise ValueError(f"crops should be (N, {side}, {side}, 3) or (N, 112, 112, 3), got {crops.shape}")
        if len(crops) == 0:
            return np.zeros((0, self.spec.dimension), np.float32)
        crops = resized(crops, side)
        if self.spec.flip:
            both = self._run(np.concatenate([crops, crops[:, :, ::-1]]))
            raw = both[: len(crops)] + both[len(crops) :]
        else:
            raw = self._run(crops)
        length = np.linalg.norm(raw, axis=1, keepdims=True)
        if not np.isfinite(length).all() or not length.all():
            raise ValueError(f"embedder {self.spec.name} returned a vector that is zero or not finite")
        rows: NDArray[np.float32] = raw / length
        return rows

    def _run(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        rows = []
        for start in range(0, len(crops), BATCH):
            (out, *_) = self._session.run(to_input(crops[start : start + BATCH], self.spec))
            if out.shape[1:] != (self.spec.dimension,):
                raise ValueError(
                    f"embedder {self.spec.name} returned rows of {out.shape[1:]}, "
                    f"its manifest says {self.spec.dimension} dimensions"
                )
            rows.append(out)
        return np.concatenate(rows)


def resized(crops: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """(N, S, S, 3) uint8 crops as (N, side, side, 3); those of that size are not copied."""
    if crops.shape[1] == side or not len(crops):
        return crops
    return np.stack([cv2.resize(crop, (side, side)).astype(np.uint8) for crop in crops])


def _check_input(session: Session, spec: EmbedderSpec) -> None:
    wanted = "tensor(float)" if spec.layout == "nchw" else "tensor(uint8)"
    side = spec.input
    sides = (side, side, 3) if spec.layout == "nhwc-uint8" else (3, side, side)
    fits = len(session.input_shape) == 4 and all(
        found == expected or not isinstance(found, int)
        for found, expected in zip(session.input_shape[1:], sides, strict=True)
    )
    if session.input_type != wanted or not fits:
        raise PackError(
            f"{spec.model.file}: layout {spec.layout!r} and input {side} mean a graph that takes {wanted} (N, "
            f"{', '.join(map(str, sides))}), and it takes {session.input_type} {session.input_shape}"
        )
