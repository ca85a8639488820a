"""The nouns of the gallery as plain frozen values: Collection -> Person -> Face, and answers of a search."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Template = NDArray[np.float32]
"""(D,) float32 of unit length, meaningful only together with the contract id of the pack that made it."""

Metadata = Mapping[str, Any]
"""A JSON object of the caller's own; at most 16 KiB as JSON text."""


class Fusion(StrEnum):
    """What is searched: one quality-weighted mean template a person, or every sample."""

    MEAN = "mean"
    SAMPLES = "samples"


class Search(StrEnum):
    """How it is searched. AUTO takes EXACT while the collection is small and FAST beyond."""

    AUTO = "auto"
    EXACT = "exact"
    FAST = "fast"


class Precision(StrEnum):
    """How rows are stored: 2 or 4 bytes a dimension."""

    FLOAT16 = "float16"
    FLOAT32 = "float32"


class Role(StrEnum):
    """Of the forms of one collection: LIVE is the one that is seen; NEXT is being made, PREVIOUS was live before."""

    LIVE = "live"
    NEXT = "next"
    PREVIOUS = "previous"


@dataclass(frozen=True)
class NewCollection:
    """What a caller decides once about a collection. `id` matches [A-Za-z0-9_.-]{1,255}."""

    id: str
    contract_id: str
    dimension: int
    fusion: Fusion = Fusion.MEAN
    search: Search = Search.AUTO
    precision: Precision = Precision.FLOAT16
    keep_crops: bool = False
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True)
class Collection(NewCollection):
    """A stored collection. revision: of its newest change. search_rows: templates that are searched."""

    created_at: datetime = field(kw_only=True)
    revision: int = field(kw_only=True)
    persons: int = field(kw_only=True)
    faces: int = field(kw_only=True)


@dataclass(frozen=True)
class NewPerson:
    """`id` is the caller's own: 1..255 characters, no '/', no control characters."""

    id: str
    name: str = ""
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True)
class Person(NewPerson):
    """A stored person with the number of their faces."""

    faces: int = field(kw_only=True)
    created_at: datetime = field(kw_only=True)
    updated_at: datetime = field(kw_only=True)


@dataclass(frozen=True)
class NewFace:
    """One sample to enrol.

    embedding: (D,) float; normalised by the gallery, refused when not finite or of length zero.
    quality: 0..1, its weight in the mean. detail: what the caller wants back (box, score, source), JSON.
    crop: encoded aligned crop, stored only where the collection keeps crops. source: digest of the photo it
    came from, at most 64 characters, by which a job knows what it enrolled before. id and created_at: of a face
    that is brought from elsewhere; a new face gets its own.
    """

    embedding: NDArray[np.floating[Any]]
    quality: float = 1.0
    detail: Metadata = field(default_factory=dict)
    crop: bytes | None = None
    source: str | None = None
    id: str | None = None
    created_at: datetime | None = None


@dataclass(frozen=True)
class FaceRecord:
    """A stored sample, without its vector."""

    id: str
    person_id: str
    quality: float
    detail: Metadata
    created_at: datetime


@dataclass(frozen=True)
class Candidate:
    """One person found. cosine: exact, of the stored row(s), -1..1.

    face_id: the best sample where the collection searches samples, else None.
    """

    person_id: str
    name: str
    cosine: float
    face_id: str | None = None


@dataclass(frozen=True)
class Written:
    """A write that is durable and searchable. `faces` in the order given."""

    revision: int
    faces: Sequence[FaceRecord] = ()


@dataclass(frozen=True)
class Receipt:
    """Makes one write idempotent: stored in the same transaction as the write itself.

    scope and key: the caller's name and its Idempotency-Key. digest: hash of the request.
    answer: renders what the caller will be told from what was written, called inside the transaction.
    """

    scope: str
    key: str
    digest: str
    answer: Callable[[Any], bytes]


@dataclass(frozen=True)
class Readiness:
    """Whether the vector engine has applied everything the store holds, by collection."""

    collection: str
    store_revision: int
    engine_revision: int

    @property
    def ready(self) -> bool:
        """True when a search sees every acknowledged write."""
        return self.engine_revision >= self.store_revision


@dataclass(frozen=True)
class StoredReceipt:
    """What an idempotency key was used for, and what its caller was told."""

    digest: str
    answer: bytes


@dataclass(frozen=True)
class CollectionStats:
    """How a collection is searched now. rows: searched templates. dead: rows waiting to be compacted away.

    engine: "exact" or the name of the codes. delta: rows not yet in a segment. bytes: of rows and codes.
    snapshot_revision: what the newest snapshot on disk holds, 0 for none.
    """

    collection: str
    engine: str
    rows: int
    dead: int
    segments: int
    delta: int
    bytes: int
    revision: int
    snapshot_revision: int


@dataclass(frozen=True)
class Sibling:
    """A form of a collection beside the live one.

    synced: the revision up to which it holds what the live one does, once it is `whole`; what changed later, it lacks.
    """

    role: Role
    contract_id: str
    dimension: int
    synced: int
    whole: bool
    persons: int
    faces: int


@dataclass(frozen=True)
class KeptFace:
    """A stored sample that another form of the collection lacks, with what it can be embedded from."""

    id: str
    quality: float
    detail: Metadata
    source: str | None
    crop: bytes | None
    created_at: datetime


@dataclass(frozen=True)
class Lacking:
    """What one form of a collection lacks of a person of the live one. changed: something is to be written."""

    person_id: str
    faces: Sequence[KeptFace]
    changed: bool
