"""How many photos are in the house at once, and how long until there is room again. Does no work on them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition
from time import monotonic

from faces.batching.errors import Closed, DeadlineExceeded, QueueFull

REMEMBERED = 64
"""Latest answers from which the rate is taken."""
RECENT = 30.0
"""Seconds after which an answer says nothing of the present rate."""
LONGEST_WAIT = 60


class Admission:
    """A bounded number of photos, admitted and not yet left. Threads may call everything at once."""

    def __init__(self, most: int) -> None:
        if most < 1:
            raise ValueError(f"at least 1 photo must be admitted, got {most}")
        self._most = most
        self._admitted = 0
        self._coming = 0
        self._closed = False
        self._left: deque[float] = deque(maxlen=REMEMBERED)
        self._changed = Condition()

    @property
    def admitted(self) -> int:
        """Photos in the house now."""
        return self._admitted

    @property
    def full(self) -> bool:
        """True when who comes now, and does not wait, is refused, or would be once those on their way are in."""
        return self._admitted + self._coming >= self._most

    @contextmanager
    def coming(self) -> Iterator[None]:
        """On the way, for the time of the block, to `enter`; refused there only where others come without this.

        A way that takes long would otherwise let in everybody who finds room at its beginning.
        """
        with self._changed:
            self._coming += 1
        try:
            yield
        finally:
            with self._changed:
                self._coming -= 1

    def enter(
        self, photos: int = 1, *, background: bool = False, wait: bool = False, until: float | None = None
    ) -> None:
        """Admits the photos of one caller together, as soon as one place is free for the first of them.

        So a caller with many photos is not refused for ever while others come with one; in the house are fewer
        photos than `most` and those of one caller. background: half of the places stay free for others. wait:
        for a place, up to `until` of time.monotonic(). Raises QueueFull, DeadlineExceeded, Closed.
        """
        most = max(1, self._most // 2) if background else self._most
        with self._changed:
            while not self._closed and self._admitted >= most:
                if not wait:
                    raise QueueFull(f"{self._admitted} photos are at work or waiting already")
                left = None if until is None else until - monotonic()
                if left is not None and left <= 0:
                    raise DeadlineExceeded("no place came free in the time given")
                self._changed.wait(left)
            if self._closed:
                raise Closed("no more photos are taken: the service is stopping")
            self._admitted += photos

    def leave(self) -> None:
        """One photo is answered."""
        with self._changed:
            self._admitted -= 1
            self._left.append(monotonic())
            self._changed.notify_all()

    def close(self) -> None:
        """Admits nothing new."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def seconds_to_wait(self) -> int:
        """When those who are here now will have been answered, at the rate of the last answers; 1 to 60."""
        with self._changed:
            now = monotonic()
            recent = [left for left in self._left if now - left < RECENT]
            if len(recent) < 2:
                return 1
            seconds = self._admitted * (now - recent[0]) / len(recent)
        return min(LONGEST_WAIT, max(1, round(seconds + 0.5)))
