"""The part of the client that asks about keys and the audit; for administrators who are not limited."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from serving.access_schemas import AuditLine, AuditPage, KeyIn, KeyMade, KeyOut, KeysOut
from serving.asking import Asking, given, part
from serving.scopes import Scope


class KeysClient:
    """Keys of one service."""

    def __init__(self, service: Asking) -> None:
        self._service = service

    def create(
        self,
        scope: Scope | str,
        *,
        name: str = "",
        collections: Sequence[str] | None = None,
        rate: float | None = None,
        expires_at: datetime | None = None,
    ) -> KeyMade:
        """A new key; its `key` is told this once. collections: names, and prefixes that end in `*`; None is all.

        rate: requests a second. expires_at: with its time zone. Never sent twice: an answer that got lost is a key
        to revoke. Raises ValueError for what cannot be a key.
        """
        granted = None if collections is None else list(collections)
        asked = KeyIn(name=name, scope=Scope(scope), collections=granted, rate=rate, expires_at=expires_at)
        return self._service.write(KeyMade, "POST", "/v1/keys", None, json=asked.model_dump(mode="json"))

    def all(self) -> list[KeyOut]:
        """Every key that is not revoked, oldest first, without its secret."""
        return self._service.read(KeysOut, "GET", "/v1/keys").items

    def revoke(self, key: str) -> None:
        """Refuses a key, by its id, from now on."""
        self._service.send("DELETE", f"/v1/keys/{part(key)}")


class AuditClient:
    """The audit of one service. Lines are asked for by what they hold:

    since, until: with their time zone. action: a word of docs/security.md. actor: id of a key. person: together with
    its collection.
    """

    def __init__(self, service: Asking) -> None:
        self._service = service

    def lines(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        action: str | None = None,
        collection: str | None = None,
        actor: str | None = None,
        person: str | None = None,
    ) -> Iterator[AuditLine]:
        """Lines, newest first, a page at a time."""
        asked = _asked(since, until, action, collection, actor, person)
        return self._service.pages(AuditPage, "/v1/audit", **asked)

    def export(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        action: str | None = None,
        collection: str | None = None,
        actor: str | None = None,
        person: str | None = None,
    ) -> Iterator[AuditLine]:
        """Lines in the order they were written, up to the newest one of now, in one answer that is read as it comes."""
        asked = _asked(since, until, action, collection, actor, person)
        with self._service.streamed("/v1/audit:export", **asked) as answer:
            for line in answer.iter_lines():
                yield AuditLine.model_validate_json(line)


def _asked(
    since: datetime | None,
    until: datetime | None,
    action: str | None,
    collection: str | None,
    actor: str | None,
    person: str | None,
) -> dict[str, str]:
    return given(
        since=None if since is None else since.isoformat(),
        until=None if until is None else until.isoformat(),
        action=action,
        collection=collection,
        actor=actor,
        person=person,
    )
