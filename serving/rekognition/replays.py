"""Remembers the signatures of writes for as long as they would be accepted, so that none is accepted twice."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable
from time import time

from serving.rekognition.errors import AwsError

MOST = 65_536
"""Signatures held at once, about 20 MiB."""

SAME_MOMENT = 2.0
"""Seconds in which an honest client may sign the same bytes twice: X-Amz-Date has whole seconds, and AWS's clients sign
a retry, or the same call once more, with nothing else that differs."""


class Replays:
    """Of one process: a service that starts anew remembers nothing. Thread-safe."""

    def __init__(self, most: int = MOST, clock: Callable[[], float] = time) -> None:
        """clock: seconds since 1970."""
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: dict[str, float] = {}
        self._ends: list[tuple[float, str]] = []

    def claim(self, signature: str, until: float) -> None:
        """Takes a verified signature that would be accepted until then.

        Raises AwsError: ThrottlingException, which makes a client sign again a second later, where it was taken a
        moment ago or no more can be held; InvalidSignatureException where it was taken before.
        """
        with self._lock:
            now = self._clock()
            self._forget(now)
            first = self._seen.get(signature)
            if first is not None and now - first <= SAME_MOMENT:
                message = (
                    "This very request came a moment ago; a signed write is done once. Sign it again in 1 s."
                )
                raise AwsError("ThrottlingException", message, headers={"Retry-After": "1"})
            if first is not None:
                message = "Signature was used before: a signed write is done once. Sign the request again."
                raise AwsError("InvalidSignatureException", message)
            if len(self._ends) >= self._most:
                message = f"More than {self._most} writes came within a few minutes; try again in 60 s."
                raise AwsError("ThrottlingException", message, headers={"Retry-After": "60"})
            self._seen[signature] = now
            heapq.heappush(self._ends, (until, signature))

    def release(self, signature: str) -> None:
        """The write was not done, so that the very request may come again."""
        with self._lock:
            self._seen.pop(signature, None)

    def _forget(self, now: float) -> None:
        while self._ends and self._ends[0][0] < now:
            self._seen.pop(heapq.heappop(self._ends)[1], None)
