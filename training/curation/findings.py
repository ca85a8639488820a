"""What a look at a set of faces found: plain values, as they stand in report.json. Finds nothing itself."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Face:
    """A record. record: its number, 0..N-1. name: the photo's where it is known, else the reader's."""

    record: int
    name: str
    identity: str


@dataclass(frozen=True)
class Copies:
    """One photo several times. kind: exact, the same bytes; near, the same picture. keep: the record of the
    identity whose faces it agrees with best. across: whether they lie in several identities.
    """

    kind: str
    faces: list[Face]
    keep: int
    across: bool


@dataclass(frozen=True)
class Outlier:
    """A face unlike its identity. cosine: its median with the others; agree: theirs among one another.

    resembles: the identity that it matches, or none.
    """

    face: Face
    cosine: float
    agree: float
    resembles: str | None = None
    resembles_cosine: float | None = None


@dataclass(frozen=True)
class Merged:
    """An identity of several people. main: faces of the first; others: those of each other. between: the largest
    median cosine of the first with another.
    """

    identity: str
    main: int
    others: list[list[Face]]
    between: float


@dataclass(frozen=True)
class Part:
    """Faces of one identity. whole: whether no others of it agree with them. records: their numbers."""

    identity: str
    example: str
    records: list[int]
    whole: bool


@dataclass(frozen=True)
class Split:
    """Two identities, or parts of them, that are one person: half of their pairs reach `cosine` or more.

    rate: the false match rate of that cosine; extrapolated: it is lower than the calibration could count. keep, move:
    the larger and the smaller.
    """

    keep: Part
    move: Part
    cosine: float
    rate: float
    extrapolated: bool


@dataclass(frozen=True)
class Doubtful:
    """An identity whose faces do not agree, and nobody can say which of them is right."""

    identity: str
    faces: list[Face]


@dataclass(frozen=True)
class Damaged:
    """A record that cannot be decoded, and why."""

    face: Face
    reason: str


@dataclass(frozen=True)
class Looked:
    """The set and how it was looked at. levels: the cosines that were asked for, by what they decide.

    features: the folder of the embeddings. approximate: whether some pairs may have been missed by the search.
    """

    source: str
    fingerprint: str
    records: int
    identities: int
    single: int
    pack: str
    contract_id: str
    levels: dict[str, float]
    comparisons: dict[str, int]
    tolerated: float
    features: str
    approximate: bool


@dataclass(frozen=True)
class Aligned:
    """What became of the photos of an alignment. rejected: photos by reason; one photo may have several."""

    photos: int
    accepted: int
    rejected: dict[str, int]
    left_out: int
    links: int


@dataclass(frozen=True)
class Findings:
    """Everything but the lists of rejected photos, which may be longer than memory."""

    looked: Looked
    damaged: list[Damaged] = field(default_factory=list)
    copies: list[Copies] = field(default_factory=list)
    outliers: list[Outlier] = field(default_factory=list)
    merged: list[Merged] = field(default_factory=list)
    split: list[Split] = field(default_factory=list)
    doubtful: list[Doubtful] = field(default_factory=list)
    aligned: Aligned | None = None
