"""The address of a Milvus as an operator writes it; checked here, never shown with its password or token."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

FORM = "http://host:19530, https://user:password@host:19530/database, or https://token@host"


@dataclass(frozen=True)
class MilvusAddress:
    """uri: without a secret. token: a token, or user:password; empty where Milvus asks for none."""

    uri: str
    token: str = field(repr=False)
    database: str


def milvus_address(text: str) -> MilvusAddress:
    """Raises ValueError, which never repeats what was given."""
    refused = ValueError(
        f"Milvus must be given as {FORM}; in a password @ is written %40 and % is written %25"
    )
    try:
        parts = urlsplit(text)
        port = parts.port or 19530
    except ValueError:
        raise refused from None
    database = parts.path.strip("/")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise refused
    if "/" in database or (database and not database.replace("_", "").isalnum()):
        raise ValueError("the name of Milvus' database is made of letters, digits and _")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    named = [unquote(part) for part in (parts.username, parts.password) if part]
    return MilvusAddress(f"{parts.scheme}://{host}:{port}", ":".join(named), database)
