"""The vector engine on one GPU: segments as flat half-precision indexes there, the newest rows on the CPU.

Faiss on a GPU may be called from one thread at a time and an index there cannot forget a row. So one thread owns
the GPU and everything on it, searches wait in its queue, and dead rows are left out afterwards as on the CPU.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import faiss
import numpy as np
from numpy.typing import NDArray

from index.engine.base import Capabilities, Space
from index.engine.faiss_cpu import FaissCpuEngine
from index.engine.held import Held, Tuning
from index.engine.rows import Segment
from index.engine.scan import Scanner
from index.errors import EngineUnavailable
from index.template import Float32, widened

T = TypeVar("T")
MOST_NEIGHBOURS = 2048
"""Faiss on a GPU returns no more for one query."""
SEGMENT_ROWS = 1 << 20
COPIED_AT_ONCE = 1 << 16


class FaissGpuEngine(FaissCpuEngine):
    """A VectorEngine. Rows, snapshots and changes are the CPU engine's; only the scan of segments is here.

    A segment's scores come from half-precision products and choose candidates; cosines in answers are exact.
    """

    def __init__(self, root: Path, tuning: Tuning, library: Any = faiss, device: int = 0) -> None:
        """library: the faiss module. Raises EngineUnavailable, saying why, where it has no GPU to use."""
        super().__init__(root, replace(tuning, segment_rows=SEGMENT_ROWS))
        self._gpu = GpuThread(library, device)

    @property
    def capabilities(self) -> Capabilities:
        """See VectorEngine."""
        return Capabilities(name="faiss-gpu", codes=False, snapshots=True)

    def _make(self, space: Space) -> Held:
        return Held(space, self._tuning, self._scanner)

    def _scanner(self, segment: Segment) -> Scanner:
        return _GpuScanner(self._gpu, segment)

    def close(self) -> None:
        """See VectorEngine."""
        super().close()
        self._gpu.close()


class GpuThread:
    """One thread, one set of GPU resources, and the indexes that live there, by slot."""

    def __init__(self, library: Any, device: int) -> None:
        """Raises EngineUnavailable."""
        require_gpu(library, device)
        self._library = library
        self._device = device
        self._indexes: dict[int, Any] = {}
        self._slots = itertools.count()
        self._thread = ThreadPoolExecutor(1, "gallery-gpu")
        self._closed = False
        try:
            self._resources = self.run(library.StandardGpuResources)
        except Exception as error:
            self._thread.shutdown()
            raise EngineUnavailable(f"faiss-gpu cannot use GPU {device}: {error}") from error

    def run(self, job: Callable[[], T]) -> T:
        """The result of a job done by the GPU's thread, in turn."""
        return self._thread.submit(job).result()

    def put(self, segment: Segment) -> int:
        """Copies a segment's rows to the GPU; the slot they are in."""
        slot = next(self._slots)
        self.run(lambda: self._put(slot, segment))
        return slot

    def _put(self, slot: int, segment: Segment) -> None:
        config = self._library.GpuIndexFlatConfig()
        config.useFloat16 = True
        config.device = self._device
        index = self._library.GpuIndexFlatIP(self._resources, segment.rows.shape[1], config)
        for start in range(0, len(segment), COPIED_AT_ONCE):
            index.add(np.ascontiguousarray(widened(segment.rows[start : start + COPIED_AT_ONCE])))
        self._indexes[slot] = index

    def search(self, slot: int, probes: Float32, k: int) -> tuple[Float32, NDArray[np.int64]]:
        """Scores and positions (n, k), best first; k <= 2048."""
        return self.run(lambda: self._search(slot, probes, k))

    def _search(self, slot: int, probes: Float32, k: int) -> tuple[Float32, NDArray[np.int64]]:
        scores, positions = self._indexes[slot].search(np.ascontiguousarray(probes), k)
        return scores, positions

    def free(self, slot: int) -> None:
        """Gives a slot's memory back, in turn; never waits, since the garbage collector calls it."""
        if not self._closed:
            self._thread.submit(self._indexes.pop, slot, None)

    def close(self) -> None:
        """Frees everything and ends the thread."""
        if self._closed:
            return
        self._closed = True
        self.run(self._indexes.clear)
        self._thread.shutdown()


class _GpuScanner:
    exact = True

    def __init__(self, gpu: GpuThread, segment: Segment) -> None:
        self._gpu = gpu
        # The segment keeps its scanner; a reference back would keep both, and GPU memory, until a collection.
        self._segment = weakref.ref(segment)
        self._slot = gpu.put(segment)
        weakref.finalize(self, gpu.free, self._slot).atexit = False

    def search(self, probes: Float32, k: int) -> tuple[Float32, NDArray[np.int64]]:
        """See Scanner.search."""
        segment = self._segment()
        if k > MOST_NEIGHBOURS and segment is not None:
            return segment.exact().search(probes, k)
        return self._gpu.search(self._slot, probes, min(k, MOST_NEIGHBOURS))


def require_gpu(library: Any, device: int) -> None:
    """Raises EngineUnavailable, with what to do about it, unless `library` can use GPU `device`."""
    if not hasattr(library, "StandardGpuResources"):
        raise EngineUnavailable(
            "engine faiss-gpu needs a faiss with GPU support, the installed one has none; install the extra "
            "'gpu' (see docs/gpu.md), or choose engine faiss-cpu"
        )
    try:
        count = int(library.get_num_gpus())
    except Exception as error:
        raise EngineUnavailable(
            f"engine faiss-gpu cannot ask for GPUs ({error}); choose faiss-cpu"
        ) from error
    if device >= count:
        raise EngineUnavailable(
            f"engine faiss-gpu wants GPU {device}, this machine shows {count}; check the driver and "
            "CUDA_VISIBLE_DEVICES, or choose engine faiss-cpu"
        )
