"""What tells a copy of a picture from another picture of the same face: a digest of its file, a hash of its looks.

The hash is of the aligned crop, so that it does not see how the photo was cropped or scaled before.
"""

from __future__ import annotations

import hashlib

import cv2
import numpy as np
from numpy.typing import NDArray

from faces.face import Crop

SIDE = 16
BITS = SIDE * SIDE

MARK = np.dtype([("digest", "<u8", 2), ("looks", "<u8", BITS // 64)])
"""48 bytes a record. digest: of the image file as stored. looks: the difference hash of the crop."""

Marks = NDArray[np.void]
"""(N,) MARK."""

_INNER = slice(16, 96)
"""The face without most of what is behind it, where aligned crops of two photos differ or are both black."""


def mark(image: bytes, crop: Crop) -> Marks:
    """() MARK of one record: its image file and the (112, 112, 3) uint8 that this decodes to."""
    made = np.zeros((), MARK)
    made["digest"] = np.frombuffer(hashlib.blake2b(image, digest_size=16).digest(), "<u8")
    made["looks"] = looks(crop)
    return made


def looks(crop: Crop) -> NDArray[np.uint64]:
    """(4,) uint64: whether each of 16 x 16 places of the face is brighter than its neighbour to the right.

    Another compression, size, brightness or contrast of the same photo changes few of the 256 bits; another
    moment changes many, however alike the embeddings are.
    """
    grey = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)[_INNER, _INNER]
    small = cv2.resize(grey, (SIDE + 1, SIDE), interpolation=cv2.INTER_AREA).astype(np.int16)
    bits = np.packbits((small[:, :-1] > small[:, 1:]).ravel())
    return np.frombuffer(bits.tobytes(), "<u8")


def differing_bits(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> NDArray[np.int64]:
    """(N, 4), (N, 4) looks -> (N,) int64, 0..256."""
    bits: NDArray[np.int64] = np.bitwise_count(one ^ other).sum(axis=-1, dtype=np.int64)
    return bits
