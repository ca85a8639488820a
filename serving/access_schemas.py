"""What goes over the wire about keys and the audit, as strictly as schemas.py does for the rest."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

from serving.schemas import Answer, Body, Finite, Name
from serving.scopes import Scope

Grant = Annotated[str, Field(pattern=r"^([A-Za-z0-9_.-]{1,255}|[A-Za-z0-9_.-]{0,254}\*)$")]


def _written_out(moment: Any) -> Any:
    # A bare number would be read as seconds since 1970, or as milliseconds, by its size. And behind a validator of
    # ours a strict reading of JSON takes no text for a moment, so it is read here.
    if isinstance(moment, datetime):
        return moment
    try:
        if "-" in moment[1:]:
            return datetime.fromisoformat(moment)
    except (TypeError, ValueError):
        pass
    raise ValueError("is no date and time; write it as 2030-12-31T18:00:00+01:00")


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("lies outside of the years 1 to 9999 in UTC") from None


Moment = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_in_utc)]
KeyId = Annotated[str, Field(pattern=r"^[0-9a-f]{8}$")]


class KeyIn(Body):
    """A new key. collections: names, and prefixes that end in `*`; null is all. rate: requests a second; null is the
    service's own setting. expires_at: with its time zone; null is never.
    """

    name: Name = ""
    scope: Scope
    collections: list[Grant] | None = Field(default=None, min_length=1, max_length=1000)
    rate: Finite | None = Field(default=None, gt=0, le=1e6)
    expires_at: Moment | None = None


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
