"""The gallery's background thread: follows other processes, trains, compacts, snapshots; answers nobody."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from index.engine.base import VectorEngine
from index.follower import Follower

logger = logging.getLogger(__name__)


class Upkeep:
    """Runs a round every `seconds`, or when woken."""

    def __init__(
        self,
        follower: Follower,
        engine: VectorEngine,
        keys: Callable[[], list[int]],
        snapshot_every: int,
        seconds: float = 1.0,
    ) -> None:
        self._follower = follower
        self._engine = engine
        self._keys = keys
        self._snapshot_every = snapshot_every
        self._seconds = seconds
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def round(self, snapshot_after: int | None = None) -> None:
        """Everything once, now. snapshot_after: changes beyond which a snapshot is written."""
        after = self._snapshot_every if snapshot_after is None else snapshot_after
        self._follower.follow()
        for key in self._keys():
            self._engine.maintain(key)
            if self._engine.unsaved(key) >= max(1, after):
                self._follower.snapshot(key)

    def start(self) -> None:
        """Starts the thread."""
        self._thread = threading.Thread(target=self._run, name="gallery-upkeep", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopping.wait(self._seconds):
            try:
                self.round()
            except Exception:
                # A search or write meets the same trouble and reports it to its caller; here it is tried
                # again.
                logger.exception("the gallery's upkeep failed; it runs again")

    def stop(self) -> None:
        """Returns when the round under way is over."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
