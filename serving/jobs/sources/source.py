"""What every source says of itself: what it holds, in which order, and what one item of it is. Reads nothing itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Protocol

from pydantic import AfterValidator, BaseModel, ConfigDict

from index.job_records import Values
from index.record_rules import CONTROL

PHOTO_ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".pgm"})
LONGEST_KEY = 1024


class SourceError(Exception):
    """The source as a whole cannot be listed; the message says what to do about it."""


class Unfit(Exception):
    """What the source says of one item is wrong, and stays so however often it is tried."""


class Trouble(Exception):
    """One item could not be read this time. reason: file_missing, unreadable or source_changed."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Listed:
    """One item of a source.

    item: its key, of 1..1024 characters, the same each time. where: what `read` needs to find it, JSON. invalid: why
    it is none, in words for whoever made the source; such an item is listed so that somebody is told.
    """

    item: str
    person: str | None
    where: Values = field(default_factory=dict)
    name: str = ""
    invalid: str = ""


class Source(BaseModel):
    """Base of the sources: an option of a job, strict and frozen."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PhotoSource(Protocol):
    """A source of encoded photos."""

    def visible(self) -> bool:
        """Whether this process can reach it now."""
        ...

    def listing(self) -> Iterator[Listed]:
        """Every item, in the same order each time, in bounded memory. Raises SourceError."""
        ...

    def read(self, where: Values, most: int) -> bytes:
        """The file of an item, of `most` bytes at most. Raises Trouble, Unfit, and ImageError where it is larger."""
        ...


def _absolute(path: str) -> str:
    if not Path(path).is_absolute() or "\0" in path:
        raise ValueError(f"{path[:80]!r} must be an absolute path")
    return path


LocalPath = Annotated[str, AfterValidator(_absolute)]
"""An absolute path on the machine that does the job."""


def is_photo(name: str) -> bool:
    """Whether a file's name ends as those of photos do."""
    return Path(name).suffix.lower() in PHOTO_ENDINGS


def photo(name: str, where: Values) -> Listed:
    """The item of a photo called PERSON/PHOTO.jpg or PERSON.jpg: a path relative to the source, with slashes."""
    first, slash, _ = name.partition("/")
    reason = unkeepable(name)
    if reason:
        return Listed(readable(name), None, invalid=f"its name {reason}; rename it")
    return Listed(name, first if slash else Path(name).stem, where)


def unkeepable(name: str) -> str:
    """What keeps a name from being an item's key; empty where nothing does."""
    if len(name) > LONGEST_KEY:
        return f"has {len(name)} characters, at most {LONGEST_KEY} are kept"
    if readable(name) != name:
        return "is not UTF-8 or holds control characters"
    return ""


def readable(text: str) -> str:
    """The text with what cannot be kept written as escapes, cut to what a key may have."""
    return "".join(map(_shown, text))[:LONGEST_KEY]


def _shown(character: str) -> str:
    if CONTROL.match(character):
        return f"\\x{ord(character):02x}"
    return character.encode("utf-8", "backslashreplace").decode()
