"""Puts keys and lines of the audit into the words of the wire, as answers.py does for the rest."""

from __future__ import annotations

from typing import Any

from index.audit_records import Line
from index.store import clock
from serving.access_schemas import AuditLine, KeyOut
from serving.keys import Key


def key_out(key: Key) -> KeyOut:
    """A key without its secret."""
    return KeyOut(**_key(key))


def _key(key: Key) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scope": key.scope,
        "collections": None if key.collections is None else list(key.collections),
        "rate": key.rate,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used": key.used_at,
    }


def audit_line(line: Line) -> AuditLine:
    """A line with its time as a moment; its hash is over microseconds since 1970."""
    return AuditLine(**{**vars(line), "at": clock.moment(line.at)})
