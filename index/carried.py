"""Persons with their faces as the store holds them, bit by bit, to be carried elsewhere and put back; no statement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from index.records import Metadata


@dataclass(frozen=True)
class Span:
    """Numbers of persons, `first` to `last`, both included. Who is in it never changes, but that persons go."""

    first: int
    last: int


@dataclass(frozen=True)
class CarriedFace:
    """A stored sample. vector: the stored row, little-endian, at the precision of its collection."""

    id: str
    quality: float
    detail: Metadata
    created_at: datetime
    source: str | None
    vector: bytes
    crop: bytes | None


@dataclass(frozen=True)
class CarriedPerson:
    """A stored person with every face, in order of enrolment."""

    id: str
    name: str
    metadata: Metadata
    faces: Sequence[CarriedFace]


@dataclass(frozen=True)
class Restored:
    """What was new: persons made, and faces added to these and to persons who were there."""

    persons: int
    faces: int


@dataclass(frozen=True)
class Purged:
    """What was removed, or would be."""

    persons: int
    faces: int
