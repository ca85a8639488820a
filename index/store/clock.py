"""Times as the store keeps them: whole microseconds since 1970, UTC."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def now() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000


def moment(microseconds: int) -> datetime:
    """The stored number as an aware datetime in UTC."""
    return EPOCH + timedelta(microseconds=microseconds)


def microseconds(moment: datetime) -> int:
    """An aware datetime as the stored number."""
    return round((moment - EPOCH) / timedelta(microseconds=1))
