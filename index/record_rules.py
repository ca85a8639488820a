"""What a record must be like before it is stored: ids, names, metadata, quality; knows no store."""

from __future__ import annotations

import json
import re
from typing import Any

from index.errors import ContractMismatch, InvalidRecord
from index.job_records import NewItem, Values
from index.records import Metadata, NewCollection, NewFace, NewPerson

COLLECTION_ID = re.compile(r"[A-Za-z0-9_.-]{1,255}")
FACE_ID = re.compile(r"[0-9a-f]{32}")
SOURCE = re.compile(r"[0-9a-f]{1,64}")
METADATA_BYTES = 16 * 1024
VALUES_BYTES = 256 * 1024
LARGEST_DIMENSION = 4096
DOTS = frozenset({".", ".."})
"""No ids: in the path of an address they mean another place, and clients resolve them before they send it."""
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def check_collection(new: NewCollection) -> None:
    """Raises InvalidRecord for a bad id, contract or dimension."""
    if not COLLECTION_ID.fullmatch(new.id) or new.id in DOTS:
        raise InvalidRecord(
            f"collection id {new.id[:80]!r} must match [A-Za-z0-9_.-]{{1,255}} and be neither '.' nor '..'"
        )
    if not 1 <= len(new.contract_id) <= 255 or not storable(new.contract_id):
        raise InvalidRecord(
            "a collection needs the contract id of the model pack (1..255 characters, no NUL)"
        )
    if not 1 <= new.dimension <= LARGEST_DIMENSION:
        raise InvalidRecord(f"dimension {new.dimension} is outside 1..{LARGEST_DIMENSION}")


def check_receipt(scope: str, key: str, digest: str) -> None:
    """Raises InvalidRecord for what the receipts' table does not hold."""
    for what, text, longest in (("scope", scope, 255), ("key", key, 255), ("digest", digest, 128)):
        if not 1 <= len(text) <= longest or not storable(text):
            raise InvalidRecord(
                f"the receipt's {what} {text[:80]!r} must have 1..{longest} characters, no NUL"
            )


def check_after(after: str) -> None:
    """Raises InvalidRecord for an id that no listing can go on from."""
    if not storable(after):
        raise InvalidRecord(f"a listing cannot go on after {after[:80]!r}")


def storable(text: str) -> bool:
    """Whether a database can hold a text, so that something may be found under it: PostgreSQL takes no NUL."""
    return "\0" not in text and _encodable(text)


def check_contract(collection: str, held: str, asked: str) -> None:
    """Raises ContractMismatch, naming both contracts, where a caller's templates are of another than a collection's."""
    if held != asked:
        raise ContractMismatch(
            f"collection {collection!r} holds templates of contract {held!r}, "
            f"this request has contract {asked!r}; use the model pack the collection was made with"
        )


def check_person(new: NewPerson) -> None:
    """Raises InvalidRecord for a bad id or name."""
    if (
        not 1 <= len(new.id) <= 255
        or "/" in new.id
        or new.id in DOTS
        or CONTROL.search(new.id)
        or not _encodable(new.id)
    ):
        raise InvalidRecord(
            f"person id {new.id[:80]!r} must have 1..255 characters, without '/' and control characters, "
            "and be neither '.' nor '..'"
        )
    check_name(new.name)


def check_name(name: str) -> None:
    """Raises InvalidRecord for a name that is too long or cannot be written down."""
    if len(name) > 1024 or CONTROL.search(name) or not _encodable(name):
        raise InvalidRecord(f"name {name[:80]!r} must have at most 1024 characters, no control characters")


def check_face(new: NewFace) -> None:
    """Raises InvalidRecord for a quality outside 0..1, or an id or source that is none; the embedding is checked by
    `template.unit_rows`.
    """
    if not 0.0 <= new.quality <= 1.0:
        raise InvalidRecord(f"quality {new.quality} is outside 0..1")
    if new.id is not None and not FACE_ID.fullmatch(new.id):
        raise InvalidRecord(f"face id {new.id[:80]!r} must be 32 hexadecimal digits")
    if new.source is not None and not SOURCE.fullmatch(new.source):
        raise InvalidRecord(f"source {new.source[:80]!r} must be a digest of 1..64 hexadecimal digits")


def metadata_text(metadata: Metadata, what: str) -> str:
    """JSON text of a caller's object. Raises InvalidRecord when it is no JSON object or over 16 KiB."""
    if not isinstance(metadata, dict) and not hasattr(metadata, "keys"):
        raise InvalidRecord(f"{what} must be a JSON object, got {type(metadata).__name__}")
    if not metadata:
        return "{}"
    return _json(metadata, what, METADATA_BYTES)


def check_item(new: NewItem) -> None:
    """Raises InvalidRecord for a key that is empty, too long or cannot be written down."""
    if not 1 <= len(new.item) <= 1024 or CONTROL.search(new.item) or not _encodable(new.item):
        raise InvalidRecord(
            f"item key {new.item[:80]!r} must have 1..1024 characters, without control characters"
        )


def values_text(values: Values, what: str) -> str:
    """JSON text of an object of our own. Raises InvalidRecord when it is over 256 KiB or cannot be written down."""
    return _json(values, what, VALUES_BYTES)


def metadata_object(text: str) -> dict[str, Any]:
    """The stored JSON text as an object."""
    value: dict[str, Any] = json.loads(text)
    return value


def _json(values: Values, what: str, most: int) -> str:
    try:
        text = json.dumps(dict(values), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        size = len(text.encode())
    except (TypeError, ValueError) as error:
        raise InvalidRecord(f"{what} cannot be written as JSON: {error}") from error
    if size > most:
        raise InvalidRecord(f"{what} takes {size} bytes as JSON, at most {most} are stored")
    return text


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
