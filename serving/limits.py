"""How often somebody may ask: token buckets of this process, for keys and for addresses that send wrong keys."""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

BURST_SECONDS = 2.0
"""Requests of so many seconds may come at once."""
MOST = 10_000
"""Buckets held at once, about 2 MB; beyond, the one that was not asked for longest is forgotten, and so is full."""
WRONG_KEYS_A_SECOND = 1.0
WRONG_KEYS_AT_ONCE = 20.0


@dataclass(frozen=True)
class Allowance:
    """What a bucket says. limit: requests it holds when full. remaining: of these. seconds: until one more is there,
    where none is, else until it is full.
    """

    allowed: bool
    limit: int
    remaining: int
    seconds: float

    @property
    def headers(self) -> dict[str, str]:
        """RateLimit headers, and Retry-After where the request is refused; whole seconds, rounded up."""
        seconds = str(max(1, math.ceil(self.seconds)))
        told = {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(self.remaining),
            "RateLimit-Reset": str(math.ceil(self.seconds)),
        }
        return told if self.allowed else {**told, "RateLimit-Reset": seconds, "Retry-After": seconds}


class Buckets:
    """Token buckets by name. Thread-safe, bounded in memory."""

    def __init__(self, most: int = MOST, clock: Callable[[], float] = monotonic) -> None:
        """clock: seconds that never go back."""
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # tokens, and when that was

    def take(self, name: str, rate: float, burst: float) -> Allowance:
        """Takes one of a bucket that gets `rate` tokens a second and holds `burst`, at least 1."""
        with self._lock:
            now = self._clock()
            tokens, since = self._buckets.pop(name, (burst, now))
            tokens = min(burst, tokens + (now - since) * rate)
            allowed = tokens >= 1.0
            tokens -= 1.0 if allowed else 0.0
            self._buckets[name] = (tokens, now)
            while len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        wanted = burst if allowed else 1.0
        return Allowance(allowed, math.floor(burst), math.floor(tokens), (wanted - tokens) / rate)

    def __len__(self) -> int:
        return len(self._buckets)


@dataclass(frozen=True)
class Limits:
    """Those of one service. wrong_keys_at_once: attempts of one address before it is slowed."""

    keys: Buckets = field(default_factory=Buckets)
    addresses: Buckets = field(default_factory=Buckets)
    wrong_keys_at_once: float = WRONG_KEYS_AT_ONCE

    def of_key(self, id: str, rate: float) -> Allowance:
        """One request of a key that may send `rate` a second."""
        return self.keys.take(id, rate, max(1.0, rate * BURST_SECONDS))

    def wrong_key(self, address: str) -> Allowance:
        """One wrong key from an address."""
        return self.addresses.take(address, WRONG_KEYS_A_SECOND, self.wrong_keys_at_once)
