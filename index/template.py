"""Arithmetic on templates: validation, unit length, storage precision, weighted mean; no store, no search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.errors import InvalidTemplate
from index.records import Precision

Float32 = NDArray[np.float32]
Rows = NDArray[np.float16] | NDArray[np.float32]
"""(n, D) unit rows at the storage precision of their collection."""

DTYPES: dict[Precision, np.dtype[Any]] = {
    Precision.FLOAT16: np.dtype("<f2"),
    Precision.FLOAT32: np.dtype("<f4"),
}
SHORTEST = 1e-12
"""Below this length a vector has no direction worth keeping."""


def unit_rows(vectors: Sequence[NDArray[Any]] | NDArray[Any], dimension: int) -> Float32:
    """Vectors of any length as (n, D) float32 rows of unit length.

    Raises InvalidTemplate, naming the position, for a wrong shape, NaN or infinity, or length zero.
    """
    for position, vector in enumerate(vectors):
        if np.shape(vector) != (dimension,):
            raise InvalidTemplate(
                f"template {position} has shape {np.shape(vector)}, the collection wants ({dimension},)"
            )
    try:
        # float64, because the squares of large float32 components overflow.
        rows = np.asarray(vectors, dtype=np.float64).reshape(len(vectors), dimension)
    except (TypeError, ValueError) as error:
        raise InvalidTemplate(f"templates must be real numbers: {error}") from error
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        raise InvalidTemplate(f"template {int(np.argmin(finite))} holds NaN or infinity")
    # Dividing by the largest component first keeps lengths in range for any finite input.
    largest = np.abs(rows).max(axis=1, initial=0.0, keepdims=True)
    if dimension == 0 or (largest < SHORTEST).any():
        raise InvalidTemplate(f"template {int(np.argmin(largest))} has length zero, so it has no direction")
    scaled = rows / largest
    unit: Float32 = (scaled / np.linalg.norm(scaled, axis=1, keepdims=True)).astype(np.float32)
    return unit


def stored(rows: Float32, precision: Precision) -> Rows:
    """Unit rows (n, D) float32 rounded to the storage precision."""
    return rows.astype(DTYPES[precision])


def widened(rows: Rows) -> Float32:
    """Stored rows (n, D) as float32, exactly: every half-precision number is a float32 number.

    NumPy converts halves one by one (3 ns each); moving the bits in integer registers takes a tenth of it.
    Sign extension plus a shift of 13 puts sign, exponent and mantissa where float32 has them; the factor
    2**112 corrects the exponent's bias (127 - 15). Infinity and NaN would come out wrong and are never
    stored.
    """
    if rows.dtype == np.float32:
        same: Float32 = rows.astype(np.float32, copy=False)
        return same
    bits = rows.view(np.int16).astype(np.int32)
    bits <<= 13
    bits &= np.int32(-0x70000001)  # keeps the sign and the low 28 bits
    wide = bits.view(np.float32)
    wide *= np.float32(2.0**112)
    return wide


def packed(row: Rows) -> bytes:
    """One stored row (D,) as the bytes of the store, little-endian."""
    return row.tobytes()


def unpacked(blobs: Sequence[bytes], dimension: int, precision: Precision) -> Rows:
    """(n, D) stored rows from the store's bytes. Raises InvalidTemplate when a blob has another size."""
    dtype = DTYPES[precision]
    wanted = dimension * dtype.itemsize
    for blob in blobs:
        if len(blob) != wanted:
            raise InvalidTemplate(f"a stored template has {len(blob)} bytes where {wanted} belong")
    return np.frombuffer(b"".join(blobs), dtype=dtype).reshape(len(blobs), dimension)


def mean_template(rows: Float32, weights: NDArray[np.floating[Any]]) -> Float32:
    """(D,) float32, unit: the mean of unit rows (n, D) by weights (n,) >= 0, re-normalised.

    Where all weights are zero every row counts the same; where the rows cancel out the best row stands for
    all. The sum runs in float64 in the order given, so equal samples in equal order make equal bits.
    """
    weights = np.asarray(weights, dtype=np.float64)
    if not (weights > 0).any():
        weights = np.ones(len(rows))
    # By a power of two, which changes no bit of the mean: squares of the smallest weights would be zero.
    weights = np.ldexp(weights, -np.frexp(weights.max())[1])
    total = (rows.astype(np.float64) * weights[:, None]).sum(axis=0)
    length = float(np.linalg.norm(total))
    if length < 1e-6 * float(weights.sum()):
        best: Float32 = rows[int(np.argmax(weights))].astype(np.float32)
        return best
    mean: Float32 = (total / length).astype(np.float32)
    return mean


def cosines(rows: Float32, probe: Float32) -> Float32:
    """(n,) float32 in -1..1: exact cosine of each stored row (n, D) with the unit probe (D,).

    Each value depends on its own row alone, to the last bit, so every engine reports the same score for the
    same person. Rounding to half precision changes a row's length a little; dividing by it takes that out.
    """
    products = np.einsum("nd,d->n", rows, probe)
    lengths = np.sqrt(np.einsum("nd,nd->n", rows, rows))
    clipped: Float32 = np.clip(products / lengths, -1.0, 1.0).astype(np.float32)
    return clipped
