"""One photo on its way through the stages, and the one moment at which it ends. Does no work on it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faces.analyzer import Analysis, EmbedWhat
from faces.face import Face, Image


class Photo:
    """What is known of a photo so far. Its answer ends once: with an analysis, an error, or cancelled.

    Cancelling the answer cancels what waits in a stage; work that has begun is finished and its result dropped.
    """

    def __init__(
        self,
        data: bytes,
        embed: EmbedWhat,
        deadline: float | None,
        background: bool,
        on_end: Callable[[Photo], None],
    ) -> None:
        """on_end: called once, before the answer is given; no stage works on the photo's pixels any more then."""
        self.data = data
        self.embed = embed
        self.deadline = deadline
        self.background = background
        self.pixels = 0
        self.image: Image | None = None
        self.faces: list[Face] = []
        self.size = (0, 0)
        self.answer: Future[Analysis] = Future()
        self._rows: list[NDArray[np.float32] | None] = []
        self._on_end = on_end
        self._in_stages: set[Future[Any]] = set()
        self._ended = False
        self._lock = Lock()
        # Without the photo itself: a future keeps its callbacks, and the two would keep each other.
        self.answer.add_done_callback(partial(_stop_when_cancelled, self._in_stages, self._lock))

    def entered(self, stage: Future[Any]) -> None:
        """Waits in a stage, whose future this is."""
        with self._lock:
            if not stage.done():
                self._in_stages.add(stage)
            unwanted = self._ended
        if unwanted or self.answer.cancelled():
            stage.cancel()

    def left(self, stage: Future[Any]) -> None:
        """The stage's future has ended."""
        with self._lock:
            self._in_stages.discard(stage)

    def expect(self, parts: int) -> None:
        """The rows will come in so many parts."""
        self._rows = [None] * parts

    def add_rows(self, part: int, rows: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """All rows (N, D) together once the last part has come; before that, None."""
        with self._lock:
            self._rows[part] = rows
            found = [rows for rows in self._rows if rows is not None]
            return np.concatenate(found) if len(found) == len(self._rows) else None

    def end(self, outcome: Analysis | BaseException) -> None:
        """Gives the answer, if it is the first and anybody still wants it."""
        with self._lock:
            if self._ended:
                return
            self._ended = True
            others = list(self._in_stages)
        for stage in others:
            stage.cancel()
        self.image = None
        self._on_end(self)
        if not self.answer.set_running_or_notify_cancel():
            return
        if isinstance(outcome, BaseException):
            self.answer.set_exception(outcome)
        else:
            self.answer.set_result(outcome)


def _stop_when_cancelled(in_stages: set[Future[Any]], lock: Lock, answer: Future[Analysis]) -> None:
    if answer.cancelled():
        with lock:
            waiting = list(in_stages)
        for stage in waiting:
            stage.cancel()
