"""First stage of a search: which rows of one unchanging block may be nearest, by scores fit to choose."""

from __future__ import annotations

import threading
from typing import Protocol

import faiss
import numpy as np
from numpy.typing import NDArray

from index.template import Float32, Rows, widened

# Faiss turns to BLAS only beyond 20 queries x 128,000 by default; for 16-64 probes that is 4-7 times dearer.
faiss.cvar.distance_compute_blas_threshold = 1

WIDE_ROWS = 65_536
"""Blocks up to this many rows are kept as float32 as well and scanned by one matrix product."""
PROBES_AT_ONCE = 32

_threads = threading.local()


def one_thread() -> None:
    """Many searches share the cores better than one does; OpenMP keeps its setting by calling thread."""
    if not getattr(_threads, "one", False):
        faiss.omp_set_num_threads(1)
        _threads.one = True


class Scanner(Protocol):
    """Chooses rows of one block. exact: its scores are cosines but for rounding."""

    exact: bool

    def search(self, probes: Float32, k: int) -> tuple[Float32, NDArray[np.int64]]:
        """Scores and positions (n, k) of the k best rows of each probe (n, D), best first; k <= rows."""
        ...


class WideScanner:
    """Exact scan of a block held as float32: a matrix product and a partial sort."""

    exact = True

    def __init__(self, rows: Rows) -> None:
        self._rows = widened(rows)

    def search(self, probes: Float32, k: int) -> tuple[Float32, NDArray[np.int64]]:
        """See Scanner.search."""
        scores = np.empty((len(probes), k), np.float32)
        positions = np.empty((len(probes), k), np.int64)
        for start in range(0, len(probes), PROBES_AT_ONCE):
            part = slice(start, start + PROBES_AT_ONCE)
            scores[part], positions[part] = best(probes[part] @ self._rows.T, k)
        return scores, positions


class HalfScanner:
    """Exact scan of a large block held as half-precision numbers (1 GB at 1M x 512), by Faiss."""

    exact = True

    def __init__(self, rows: Rows) -> None:
        dimension = rows.shape[1]
        kind = faiss.ScalarQuantizer.QT_fp16
        self._index = faiss.IndexScalarQuantizer(dimension, kind, faiss.METRIC_INNER_PRODUCT)
        # The codes of this quantiser are the half-precision numbers themselves.
        self._index.add_sa_codes(np.ascontiguousarray(rows).view(np.uint8))

    def search(self, probes: Float32, k: int) -> tuple[Float32, NDArray[np.int64]]:
        """See Scanner.search."""
        one_thread()
        scores, positions = self._index.search(probes, k)
        return scores, positions


def exact_scanner(rows: Rows) -> Scanner:
    """The cheaper way to scan these rows exactly."""
    if len(rows) <= WIDE_ROWS or rows.dtype == np.float32:
        return WideScanner(rows)
    return HalfScanner(rows)


def best(scores: Float32, k: int) -> tuple[Float32, NDArray[np.int64]]:
    """The k largest of each row of (n, N), largest first, with their positions; k <= N."""
    count = scores.shape[1]
    if k < count:
        positions = np.argpartition(scores, count - k, axis=1)[:, count - k :]
    else:
        positions = np.broadcast_to(np.arange(count), scores.shape)
    chosen = np.take_along_axis(scores, positions, axis=1)
    order = np.argsort(-chosen, axis=1, kind="stable")
    return np.take_along_axis(chosen, order, axis=1), np.take_along_axis(positions, order, axis=1)
