"""What goes over the wire about keys and the audit, as strictly as schemas.py does for the rest."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, Field

from serving.keys import Scope
from serving.schemas import Answer, Body, Finite, Name

Grant = Annotated[str, Field(pattern=r"^([A-Za-z0-9_.-]{1,255}|[A-Za-z0-9_.-]{0,254}\*)$")]
KeyId = Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]


class KeyIn(Body):
    """A new key. collections: names, and prefixes that end in `*`; null is all. rate: requests a second; null is the
    service's own setting. expires_at: with its time zone; null is never.
    """

    name: Name = ""
    scope: Scope
    collections: list[Grant] | None = Field(default=None, min_length=1, max_length=1000)
    rate: Finite | None = Field(default=None, gt=0, le=1e6)
    expires_at: AwareDatetime | None = None


class KeyOut(Answer):
    """A key without its secret. last_used is known to a minute."""

    id: str
    name: str
    scope: Scope
    collections: list[str] | None
    rate: float | None
    created_at: datetime
    expires_at: datetime | None
    last_used: datetime | None


class KeyMade(KeyOut):
    """A new key, with the key itself: it is told this once."""

    key: str


class KeysOut(Answer):
    """Every key that is not revoked, oldest first."""

    items: list[KeyOut]


class AuditLine(Answer):
    """One line. subject: digest of the person it names. about: id of the face or key, kind of the job, or role of the
    form it was done to. hash: SHA-256 over the hash of the line before and this line.
    """

    number: int
    at: datetime
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


class AuditPage(Answer):
    """One page, newest first; `next` is the cursor of the following one, or None."""

    items: list[AuditLine]
    next: str | None
