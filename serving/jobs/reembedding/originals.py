"""Photos that faces were enrolled from, found again in a folder and known by their digest. Detects nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faces.face import Face
from faces.image import ImageError
from index.records import KeptFace
from serving.jobs.sources.files import read_file
from serving.jobs.sources.source import Trouble

OVERLAP = 0.3
"""Least intersection over union of two detectors' boxes of one face; a neighbour's box hardly touches it."""


class NoOriginal(Exception):
    """The photo of a face is not at hand. why: no_original, original_missing or original_changed."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def read_original(root: Path, face: KeptFace, most: int) -> bytes:
    """The file of `most` bytes at most whose path below `root` a face remembers, with the very bytes it had then.

    Raises NoOriginal.
    """
    item = face.detail.get("item")
    if face.source is None or not isinstance(item, str):
        raise NoOriginal("no_original")
    below = PurePosixPath(item)
    if below.is_absolute() or ".." in below.parts or "\0" in item:
        raise NoOriginal("original_missing")
    try:
        data = read_file(root / below, most)
    except (Trouble, ImageError):
        raise NoOriginal("original_missing") from None
    if hashlib.sha256(data).hexdigest() != face.source:
        raise NoOriginal("original_changed")
    return data


def same_face(stored: KeptFace, faces: Sequence[Face]) -> Face | None:
    """The face of a photo whose box overlaps the stored one's most, where it does at all; the only one where no box is
    stored.
    """
    box = _box(stored.detail.get("box"))
    if box is None:
        return faces[0] if len(faces) == 1 else None
    best = max(faces, key=lambda face: _overlap(box, face.detection.box), default=None)
    return None if best is None or _overlap(box, best.detection.box) < OVERLAP else best


def _box(stored: Any) -> NDArray[np.float64] | None:
    """(4,) left, top, right, bottom in pixels."""
    if not isinstance(stored, Mapping):
        return None
    try:
        left, top, width, height = (float(stored[name]) for name in ("left", "top", "width", "height"))
    except (KeyError, TypeError, ValueError):
        return None
    return np.array([left, top, left + width, top + height])


def _overlap(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Intersection over union, 0..1."""
    width, height = np.minimum(one[2:], other[2:]) - np.maximum(one[:2], other[:2])
    if width <= 0 or height <= 0:
        return 0.0
    common = float(width * height)
    return common / (float(np.prod(one[2:] - one[:2]) + np.prod(other[2:] - other[:2])) - common)
