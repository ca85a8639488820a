"""Why work that was handed in was not done: no place, no time, no more service, or a failure beyond an error."""

from __future__ import annotations


class QueueFull(RuntimeError):
    """There is no place now; nothing was begun. Try again shortly."""


class DeadlineExceeded(RuntimeError):
    """The time given had passed before the work could begin."""


class Closed(RuntimeError):
    """Nothing new is taken any more."""


class StageFailed(RuntimeError):
    """The work ended in something that is no ordinary error, which stands as the cause."""
