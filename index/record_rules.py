"""What a record must be like before it is stored: ids, names, metadata, quality; knows no store."""

from __future__ import annotations

import json
import re
from typing import Any

from index.errors import InvalidRecord
from index.records import Metadata, NewCollection, NewFace, NewPerson

COLLECTION_ID = re.compile(r"[A-Za-z0-9_.-]{1,255}")
METADATA_BYTES = 16 * 1024
LARGEST_DIMENSION = 4096
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def check_collection(new: NewCollection) -> None:
    """Raises InvalidRecord for a bad id, contract or dimension."""
    if not COLLECTION_ID.fullmatch(new.id):
        raise InvalidRecord(f"collection id {new.id[:80]!r} must match [A-Za-z0-9_.-]{{1,255}}")
    if not new.contract_id or len(new.contract_id) > 255:
        raise InvalidRecord("a collection needs the contract id of the model pack (1..255 characters)")
    if not 1 <= new.dimension <= LARGEST_DIMENSION:
        raise InvalidRecord(f"dimension {new.dimension} is outside 1..{LARGEST_DIMENSION}")


def check_person(new: NewPerson) -> None:
    """Raises InvalidRecord for a bad id or name."""
    if not 1 <= len(new.id) <= 255 or "/" in new.id or CONTROL.search(new.id) or not _encodable(new.id):
        raise InvalidRecord(
            f"person id {new.id[:80]!r} must have 1..255 characters, without '/' and control characters"
        )
    check_name(new.name)


def check_name(name: str) -> None:
    """Raises InvalidRecord for a name that is too long or cannot be written down."""
    if len(name) > 1024 or CONTROL.search(name) or not _encodable(name):
        raise InvalidRecord(f"name {name[:80]!r} must have at most 1024 characters, no control characters")


def check_face(new: NewFace) -> None:
    """Raises InvalidRecord for a quality outside 0..1; the embedding is checked by `template.unit_rows`."""
    if not 0.0 <= new.quality <= 1.0:
        raise InvalidRecord(f"quality {new.quality} is outside 0..1")


def metadata_text(metadata: Metadata, what: str) -> str:
    """JSON text of a caller's object. Raises InvalidRecord when it is no JSON object or over 16 KiB."""
    if not isinstance(metadata, dict) and not hasattr(metadata, "keys"):
        raise InvalidRecord(f"{what} must be a JSON object, got {type(metadata).__name__}")
    if not metadata:
        return "{}"
    try:
        text = json.dumps(dict(metadata), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        size = len(text.encode())
    except (TypeError, ValueError) as error:
        raise InvalidRecord(f"{what} cannot be written as JSON: {error}") from error
    if size > METADATA_BYTES:
        raise InvalidRecord(f"{what} takes {size} bytes as JSON, at most {METADATA_BYTES} are stored")
    return text


def metadata_object(text: str) -> dict[str, Any]:
    """The stored JSON text as an object."""
    value: dict[str, Any] = json.loads(text)
    return value


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
