"""A key of a service as a plain frozen value: what it may do, where, how often, how long; never its secret."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

REACHES_ALL = "*"


@dataclass(frozen=True)
class StoredKey:
    """A key as it is stored. scope: a word of the service's own. hash: SHA-256 of the whole key, hex.

    collections: names, and prefixes that end in `*`; None is all. rate: requests a second, None is the service's own.
    used_at: known to a minute.
    """

    id: str
    name: str
    scope: str
    hash: str
    created_at: datetime
    collections: tuple[str, ...] | None = None
    rate: float | None = None
    expires_at: datetime | None = None
    used_at: datetime | None = None


def reaches(collections: tuple[str, ...] | None, collection: str) -> bool:
    """Whether names and prefixes cover a collection."""
    if collections is None:
        return True
    return any(
        collection.startswith(one[:-1]) if one.endswith(REACHES_ALL) else collection == one
        for one in collections
    )
