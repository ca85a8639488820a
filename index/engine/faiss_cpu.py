"""The vector engine in process, on the CPU: exact scans while small, codes and exact cosines beyond."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterable
from pathlib import Path

from index.engine.base import (
    Answer,
    Capabilities,
    EngineStats,
    Keys,
    SearchedRows,
    Space,
    snapshot_folder,
)
from index.engine.held import Held, Tuning
from index.template import Float32


class FaissCpuEngine:
    """A VectorEngine; snapshots lie under `root`/snapshots, one folder a collection."""

    def __init__(self, root: Path, tuning: Tuning) -> None:
        self._root = root
        self._tuning = tuning
        self._held: dict[int, Held] = {}
        self._holding = threading.Lock()

    @property
    def capabilities(self) -> Capabilities:
        """See VectorEngine."""
        return Capabilities(name="faiss-cpu", codes=True, snapshots=True)

    def _make(self, space: Space) -> Held:
        return Held(space, self._tuning)

    def revision(self, key: int) -> int | None:
        """See VectorEngine."""
        held = self._held.get(key)
        return None if held is None else held.view.revision

    def drop(self, key: int) -> None:
        """See VectorEngine."""
        with self._holding:
            self._held.pop(key, None)
        shutil.rmtree(snapshot_folder(self._root, key), ignore_errors=True)

    def apply(self, space: Space, persons: Keys, rows: SearchedRows, revision: int) -> None:
        """See VectorEngine."""
        self._held[space.key].apply(space, persons, rows, revision)

    def rebuild(self, space: Space, blocks: Iterable[SearchedRows], revision: int) -> None:
        """See VectorEngine."""
        fresh = self._make(space)
        fresh.rebuild(space, blocks, revision)
        with self._holding:
            self._held[space.key] = fresh

    def search(self, key: int, probes: Float32, limit: int, threshold: float) -> Answer:
        """See VectorEngine."""
        return self._held[key].search(probes, limit, threshold)

    def maintain(self, key: int) -> None:
        """See VectorEngine."""
        held = self._held.get(key)
        if held is not None:
            held.maintain()

    def snapshot(self, key: int, token: str, at: int) -> bool:
        """See VectorEngine."""
        return False

    def restore(self, space: Space) -> tuple[int, str] | None:
        """See VectorEngine."""
        return None

    def unsaved(self, key: int) -> int:
        """See VectorEngine."""
        return 0

    def sweep(self, keys: set[int]) -> None:
        """See VectorEngine."""

    def stats(self, key: int) -> EngineStats:
        """See VectorEngine."""
        return self._held[key].stats()

    def close(self) -> None:
        """See VectorEngine."""
        with self._holding:
            self._held.clear()
