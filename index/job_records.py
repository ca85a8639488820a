"""The nouns of a job as plain frozen values: a job, its items, who holds them, what became of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

Values = Mapping[str, Any]
"""A JSON object."""


class JobState(StrEnum):
    """OPEN takes items from its owner; WAITING is to be planned; RUNNING has all its items; the others are ends.

    Items are worked on in OPEN and WAITING too. A job that ended CANCELLED or FAILED can be resumed.
    """

    OPEN = "open"
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


ACTIVE = (JobState.OPEN, JobState.WAITING, JobState.RUNNING)


class ItemState(StrEnum):
    """REJECTED is an answer about the item itself (no face on it); FAILED is trouble around it (the file is gone)."""

    WAITING = "waiting"
    DONE = "done"
    REJECTED = "rejected"
    FAILED = "failed"


@dataclass(frozen=True)
class NewJob:
    """What is asked for. kind: names the code that does it. owner: id of the key that asks."""

    kind: str
    collection: str | None = None
    owner: str = "local"
    options: Values = field(default_factory=dict)
    open: bool = False


@dataclass(frozen=True)
class Job:
    """A stored job. done, rejected, failed: of `items` so far, which may grow until `sealed`.

    result: what it came to, once it is DONE. message: why it FAILED.
    """

    id: str
    kind: str
    collection: str | None
    owner: str
    options: Values
    state: JobState
    sealed: bool
    items: int
    done: int
    rejected: int
    failed: int
    pending_bytes: int
    result: Values
    message: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None

    @property
    def settled(self) -> int:
        """Items that are no longer to be done."""
        return self.done + self.rejected + self.failed


@dataclass(frozen=True)
class NewItem:
    """One piece of work. item: its key, unique in the job, 1..1024 characters. payload: what the kind needs to do it.

    upload: bytes sent by a client, kept until the item is settled.
    """

    item: str
    payload: Values = field(default_factory=dict)
    upload: bytes | None = None


@dataclass(frozen=True)
class Item:
    """A claimed item. attempts: how often it was claimed, this time included."""

    key: int
    item: str
    payload: Values
    upload: bytes | None
    attempts: int


@dataclass(frozen=True)
class ItemRecord:
    """What became of an item. reasons: codes, where it was rejected or failed."""

    key: int
    item: str
    state: ItemState
    attempts: int
    reasons: Sequence[str]
    message: str
    result: Values
    settled_at: datetime | None


@dataclass(frozen=True)
class Outcome:
    """What becomes of a claimed item."""

    key: int
    state: ItemState
    reasons: Sequence[str] = ()
    message: str = ""
    result: Values = field(default_factory=dict)


@dataclass(frozen=True)
class Claim:
    """Work that one worker holds until its lease ends. items: none where the job itself is held."""

    job: Job
    lease: str
    items: Sequence[Item] = ()


@dataclass(frozen=True)
class FindingRecord:
    """One thing a job found."""

    key: int
    body: Values


@dataclass(frozen=True)
class Going:
    """Jobs of one kind and state that have not ended, with the items they have settled and those they have yet to."""

    kind: str
    state: str
    jobs: int
    settled: int
    waiting: int
