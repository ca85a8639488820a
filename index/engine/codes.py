"""Short codes of rows: a product quantiser of 4 bits for every 2 or 4 dimensions, scanned by Faiss in registers.

Why these: benchmarks/codes.py compares them with each other and with RaBitQ codes.
"""

from __future__ import annotations

from collections.abc import Callable

import faiss
import numpy as np
from numpy.typing import NDArray

from index.engine.scan import Scanner, one_thread
from index.template import Float32

BITS = 4
SAMPLE = 20_000
"""Rows the quantiser is trained on; it learns 16 centroids a part, more rows change nothing."""
ENCODED_AT_ONCE = 16_384
NARROW_UP_TO = 128
"""Most dimensions of which only two share a code. Cosines of strangers spread as 1 over the root of the dimension: with
few, the nearest of many strangers come close to the mate of a bad photo, and coarse codes confuse the two."""


class Coder:
    """A trained quantiser. The same centroids make the same codes, on any machine."""

    def __init__(self, centroids: Float32) -> None:
        """centroids: (parts, 16, dimensions a part) float32."""
        parts, count, width = centroids.shape
        if count != 1 << BITS:
            raise ValueError(f"{count} centroids a part, {1 << BITS} are needed")
        self.centroids = np.ascontiguousarray(centroids, np.float32)
        self._pq = faiss.ProductQuantizer(parts * width, parts, BITS)
        faiss.copy_array_to_vector(self.centroids.ravel(), self._pq.centroids)

    @property
    def code_bytes(self) -> int:
        """Bytes of one row's code."""
        return int(self._pq.code_size)

    @classmethod
    def train(cls, rows: Float32) -> Coder:
        """Learns from a sample of unit rows (n, D). Deterministic."""
        one_thread()
        dimension = rows.shape[1]
        width = part_width(dimension)
        pq = faiss.ProductQuantizer(dimension, dimension // width, BITS)
        pq.cp.min_points_per_centroid = 1
        pq.train(np.ascontiguousarray(rows, np.float32))
        return cls(faiss.vector_to_array(pq.centroids).reshape(-1, 1 << BITS, width).copy())

    def encode(self, rows: Float32) -> NDArray[np.uint8]:
        """(n, bytes) uint8 codes of rows (n, D)."""
        one_thread()
        codes: NDArray[np.uint8] = self._pq.compute_codes(np.ascontiguousarray(rows, np.float32))
        return codes

    def scanner(self, codes: NDArray[np.uint8]) -> Scanner:
        """A scanner of these codes; keeps its own copy, in the order registers want."""
        return _CodeScanner(self._pq, codes)


class _CodeScanner:
    exact = False

    def __init__(self, pq: faiss.ProductQuantizer, codes: NDArray[np.uint8]) -> None:
        flat = faiss.IndexPQ(pq.d, pq.M, BITS, faiss.METRIC_INNER_PRODUCT)
        flat.pq = pq
        flat.is_trained = True
        flat.add_sa_codes(np.ascontiguousarray(codes))
        self._index = faiss.IndexPQFastScan(flat)  # type: ignore[arg-type]  # packs the codes of a flat index

    def search(self, probes: Float32, k: int) -> tuple[Float32, NDArray[np.int64]]:
        """See Scanner.search."""
        one_thread()
        scores, positions = self._index.search(np.ascontiguousarray(probes), k)
        return scores, positions


def part_width(dimension: int) -> int:
    """Dimensions that share one 4-bit code: 4, 2 up to NARROW_UP_TO, or the next less that divides the dimension."""
    widths = (2, 1) if dimension <= NARROW_UP_TO else (4, 2, 1)
    return next(width for width in widths if dimension % width == 0)


def encoded(coder: Coder, count: int, block: Callable[[slice], Float32]) -> NDArray[np.uint8]:
    """Codes (count, bytes) of rows that are fetched block by block."""
    parts = [
        coder.encode(block(slice(start, min(count, start + ENCODED_AT_ONCE))))
        for start in range(0, count, ENCODED_AT_ONCE)
    ]
    return np.concatenate(parts) if parts else np.empty((0, 0), np.uint8)
