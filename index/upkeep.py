"""The gallery's background thread: follows other processes, trains, compacts, snapshots, forgets; answers nobody."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from index.engine.base import VectorEngine
from index.errors import EngineUnavailable, StoreUnavailable
from index.follower import Follower

logger = logging.getLogger(__name__)


class Upkeep:
    """Runs a round every `seconds`; only follows when woken between two rounds."""

    def __init__(
        self,
        follower: Follower,
        engine: VectorEngine,
        keys: Callable[[], list[int]],
        snapshot_every: int,
        seconds: float = 1.0,
        forget: Callable[[], bool] = lambda: True,
        forget_seconds: float = 300.0,
    ) -> None:
        """forget: done every `forget_seconds`, or in the next round again where it says that it could not."""
        self._follower = follower
        self._engine = engine
        self._keys = keys
        self._snapshot_every = snapshot_every
        self._seconds = seconds
        self._forget = forget
        self._forget_seconds = forget_seconds
        self._forget_due = time.monotonic() + forget_seconds
        self._stopping = threading.Event()
        self._woken = threading.Event()
        self._away: str | None = None
        self._thread: threading.Thread | None = None

    def round(self, snapshot_after: int | None = None) -> None:
        """Everything once, now. snapshot_after: changes beyond which a snapshot is written."""
        after = self._snapshot_every if snapshot_after is None else snapshot_after
        self._follower.follow()
        for key in self._keys():
            self._engine.maintain(key)
            if self._engine.revision(key) is None:
                self._follower.hold_again(key)
            if self._engine.unsaved(key) >= max(1, after):
                self._follower.snapshot(key)

    def start(self) -> None:
        """Starts the thread."""
        self._thread = threading.Thread(target=self._run, name="gallery-upkeep", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There is something to follow. From any thread."""
        self._woken.set()

    def _run(self) -> None:
        due = time.monotonic() + self._seconds
        while True:
            self._woken.wait(max(0.0, due - time.monotonic()))
            self._woken.clear()
            if self._stopping.is_set():
                return
            if time.monotonic() < due:
                self._attempt(self._follower.follow)
            else:
                self._attempt(self.round)
                if time.monotonic() >= self._forget_due:
                    self._attempt(self._forget_now)
                due = time.monotonic() + self._seconds

    def _forget_now(self) -> None:
        if self._forget():
            self._forget_due = time.monotonic() + self._forget_seconds

    def _attempt(self, work: Callable[[], None]) -> None:
        """A search or write meets the same trouble and reports it to its caller; here it is tried again."""
        try:
            work()
        except (StoreUnavailable, EngineUnavailable) as error:
            away = "store" if isinstance(error, StoreUnavailable) else "vector engine"
            if self._away != away:
                logger.warning("the gallery's upkeep waits for the %s: %s", away, error)
            self._away = away
        except Exception:
            logger.exception("the gallery's upkeep failed; it runs again")
        else:
            if self._away is not None:
                logger.warning("the gallery's %s answers again", self._away)
            self._away = None

    def stop(self) -> None:
        """Returns when the round under way is over."""
        self._stopping.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
