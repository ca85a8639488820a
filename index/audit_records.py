"""The nouns of the audit: who acts, what is noted, a stored line, a damage found. Knows no store."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

FIRST = "0" * 64
"""The hash before the first line."""


class Action(StrEnum):
    """What was done. The last group is of searches, which are written a moment after they were answered."""

    CREATE_COLLECTION = "create_collection"
    CHANGE_COLLECTION = "change_collection"
    DELETE_COLLECTION = "delete_collection"
    CREATE_PERSON = "create_person"
    CHANGE_PERSON = "change_person"
    DELETE_PERSON = "delete_person"
    MERGE = "merge"
    ENROL = "enrol"
    MOVE_FACE = "move_face"
    DELETE_FACE = "delete_face"
    IMPORT = "import"
    EXPORT = "export"
    REEMBED = "reembed"
    REBUILD = "rebuild"
    JOB_MADE = "job_made"
    JOB_UPLOAD = "job_upload"
    JOB_STARTED = "job_started"
    JOB_RESUMED = "job_resumed"
    JOB_DELETED = "job_deleted"
    CANCELLED = "cancelled"
    KEY_CREATED = "key_created"
    KEY_REVOKED = "key_revoked"

    IDENTIFY = "identify"
    VERIFY = "verify"
    EXPORT_FETCHED = "export_fetched"
    SEARCHES_LOST = "searches_lost"


@dataclass(frozen=True)
class Actor:
    """Who acts. id: of a key, `local` for whoever sits at the machine or asks where keys are off, `worker`.

    request: id of the request it came by. job: id of the job that is worked on.
    """

    id: str = "local"
    request: str | None = None
    job: str | None = None


_acting: ContextVar[Actor] = ContextVar("cocircle_acting", default=Actor())  # noqa: B039


def actor() -> Actor:
    """Who acts in this thread or task."""
    return _acting.get()


def act_as(who: Actor) -> None:
    """From here to the end of this task, and in what it calls, `who` acts."""
    _acting.set(who)


@contextmanager
def acting(who: Actor) -> Iterator[None]:
    """In the block, and in what it calls, `who` acts."""
    before = _acting.set(who)
    try:
        yield
    finally:
        _acting.reset(before)


@dataclass(frozen=True)
class Note:
    """What a write did, told by whoever did it. person: its id, which is stored as a keyed digest alone.

    about: id of the face, job or key it was done to, or the kind of a job. outcome: `done`, or what a search came to.
    """

    action: Action
    collection: str | None = None
    person: str | None = None
    about: str | None = None
    outcome: str = "done"
    faces: int = 0
    job: str | None = None


Notes = Sequence[Note]
Noted = Callable[[Any], Notes]
"""Tells what a write did by what it returned."""


@dataclass(frozen=True)
class Line:
    """A stored line. at: microseconds since 1970, UTC. subject: digest of a person, hex; None where none is named."""

    number: int
    at: int
    actor: str
    action: str
    collection: str | None
    subject: str | None
    about: str | None
    outcome: str
    faces: int
    request: str | None
    job: str | None
    hash: str

    def follows(self, before: str) -> str:
        """The hash that this line must have after one with the hash `before`: 64 hexadecimal digits."""
        return chained(before, {name: value for name, value in asdict(self).items() if name != "hash"})


def chained(before: str, values: dict[str, Any]) -> str:
    """SHA-256 over the hash before and the canonical JSON of a line: sorted names, no spaces, ASCII. Hex."""
    text = json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(f"{before}\n{text}".encode()).hexdigest()


@dataclass(frozen=True)
class Wanted:
    """Which lines: those that all of it says. since, until: the first moment, and the one after the last."""

    since: datetime | None = None
    until: datetime | None = None
    action: str | None = None
    collection: str | None = None
    actor: str | None = None
    person: str | None = None


@dataclass(frozen=True)
class Verdict:
    """What checking the whole chain found. number, hash: of the newest line. damage: what is wrong first, or None."""

    number: int
    hash: str
    damage: str | None
