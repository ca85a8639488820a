"""Bounds the memory of decoded photos: who wants to decode waits until enough others are done. Decodes nothing."""

from __future__ import annotations

from collections import deque
from threading import Condition
from time import monotonic

from faces.batching.errors import DeadlineExceeded


class PixelBudget:
    """Pixels that may be held at once, given out in the order of asking so that a large photo gets its turn."""

    def __init__(self, most: int) -> None:
        if most < 1:
            raise ValueError(f"the pixel budget must be at least 1, got {most}")
        self._most = most
        self._held = 0
        self._line: deque[object] = deque()
        self._changed = Condition()

    @property
    def held(self) -> int:
        """Pixels taken and not given back."""
        return self._held

    def take(self, pixels: int, until: float | None = None) -> None:
        """Waits for its turn and for room; a photo larger than the whole budget is let in alone.

        until: of time.monotonic(). Raises DeadlineExceeded.
        """
        turn = object()
        with self._changed:
            self._line.append(turn)
            try:
                while self._line[0] is not turn or (self._held and self._held + pixels > self._most):
                    left = None if until is None else until - monotonic()
                    if left is not None and left <= 0:
                        raise DeadlineExceeded("other photos held the memory for pixels in the time given")
                    self._changed.wait(left)
                self._held += pixels
            finally:
                self._line.remove(turn)
                self._changed.notify_all()

    def give_back(self, pixels: int) -> None:
        """The photo's pixels are gone."""
        with self._changed:
            self._held -= pixels
            self._changed.notify_all()
