"""The vector engine in process, on the CPU: exact scans while small, codes and exact cosines beyond."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from index.engine import saved
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

    def check(self) -> None:
        """See VectorEngine: what is in the process answers."""

    def revision(self, key: int) -> int | None:
        """See VectorEngine."""
        held = self._held.get(key)
        return None if held is None else held.view.revision

    def drop(self, key: int) -> None:
        """See VectorEngine."""
        with self._holding:
            self._held.pop(key, None)
        shutil.rmtree(snapshot_folder(self._root, key), ignore_errors=True)

    def doubt(self, key: int) -> None:
        """See VectorEngine."""
        self.drop(key)

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

    def snapshot(self, key: int, token_of: Callable[[int], str | None]) -> bool:
        """See VectorEngine."""
        held = self._held.get(key)
        return held is not None and saved.save(self._root, held, token_of)

    def restore(self, space: Space) -> tuple[int, str] | None:
        """See VectorEngine."""
        held = self._make(space)
        found = saved.load(self._root, held)
        if found is not None:
            with self._holding:
                self._held[space.key] = held
        return found

    def unsaved(self, key: int) -> int:
        """See VectorEngine."""
        held = self._held.get(key)
        return 0 if held is None else held.unsaved()

    def sweep(self, keys: set[int]) -> None:
        """See VectorEngine."""
        for folder in snapshot_folder(self._root, 0).parent.glob("*/"):
            if folder.name.isdigit() and int(folder.name) not in keys:
                shutil.rmtree(folder, ignore_errors=True)

    def stats(self, key: int) -> EngineStats:
        """See VectorEngine."""
        return self._held[key].stats()

    def close(self) -> None:
        """See VectorEngine."""
        with self._holding:
            self._held.clear()
