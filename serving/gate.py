"""Admits as much analysis as the machine can do: a bounded number at work, a bounded number waiting, else 429."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

from serving.errors import ApiError

T = TypeVar("T")


class AnalysisGate:
    """Runs blocking work in threads. Used from one event loop only."""

    def __init__(self, concurrency: int, queue: int) -> None:
        self._limiter = anyio.CapacityLimiter(concurrency)
        self._most = concurrency + queue
        self.admitted = 0

    def refuse_when_full(self) -> None:
        """Raises ApiError 429 when a request sent now would not be admitted; call it before reading a body."""
        if self.admitted >= self._most:
            message = f"{self.admitted} requests are at work or waiting already; try again shortly."
            raise ApiError(429, "overloaded", message, {"waiting": self.admitted}, {"Retry-After": "1"})

    async def run(self, work: Callable[[], T]) -> T:
        """The result of `work`, run in a thread when its turn comes."""
        self.refuse_when_full()
        self.admitted += 1
        try:
            return await anyio.to_thread.run_sync(work, limiter=self._limiter)
        finally:
            self.admitted -= 1
