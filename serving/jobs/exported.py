"""The lines of an exported collection: what they say and how they are checked; knows no file and no gallery.

Line 1 is the header, then comes a line a person, and last the trailer, with the SHA-256 of all bytes before it. Vectors
stand as the store has them, little-endian in base64, so a file put back has the same bits. docs/job-kinds.md shows it.
"""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from index.carried import CarriedFace, CarriedPerson
from index.records import Collection, Fusion, NewCollection, Precision, Search

FORMAT, VERSION = "cocircle-collection", 1


class BadExport(Exception):
    """The file is damaged, half, of another format or version; the message says which."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ExportedSettings(_Strict):
    """The collection's own settings."""

    id: str
    fusion: Fusion
    search: Search
    keep_crops: bool
    metadata: dict[str, Any]


class Counts(_Strict):
    """How much a file holds."""

    persons: int = Field(ge=0)
    faces: int = Field(ge=0)


class Header(_Strict):
    """The first line."""

    format: Literal["cocircle-collection"]
    version: Literal[1]
    collection: ExportedSettings
    contract_id: str
    dimension: int = Field(ge=1)
    precision: Precision
    counts: Counts
    made_at: AwareDatetime

    def new_collection(self, id: str) -> NewCollection:
        """A collection as the exported one was set."""
        own = self.collection
        return NewCollection(
            id,
            self.contract_id,
            self.dimension,
            own.fusion,
            own.search,
            self.precision,
            own.keep_crops,
            own.metadata,
        )


class Trailer(Counts):
    """The last line. sha256: of all bytes before it, 64 hexadecimal digits."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


def _decoded(text: Any) -> bytes:
    """Bytes of base64 without any other character; pydantic's own type would pass over those."""
    if not isinstance(text, str):
        raise ValueError("must be base64")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("must be base64") from None


_Bytes = Annotated[bytes, BeforeValidator(_decoded)]


class _Face(_Strict):
    id: str
    quality: float
    detail: dict[str, Any]
    created_at: AwareDatetime
    source: str | None
    vector: _Bytes
    crop: _Bytes | None = None


class _Person(_Strict):
    id: str
    name: str
    metadata: dict[str, Any]
    faces: list[_Face]


def header_of(collection: Collection, made_at: datetime) -> Header:
    """The header of a collection as it is."""
    return Header(
        format="cocircle-collection",
        version=1,
        collection=ExportedSettings(
            id=collection.id,
            fusion=collection.fusion,
            search=collection.search,
            keep_crops=collection.keep_crops,
            metadata=dict(collection.metadata),
        ),
        contract_id=collection.contract_id,
        dimension=collection.dimension,
        precision=collection.precision,
        counts=Counts(persons=collection.persons, faces=collection.faces),
        made_at=made_at,
    )


def person_line(person: CarriedPerson) -> bytes:
    """One person as a line, with its end."""
    faces = [_face_values(face) for face in person.faces]
    return line_of({"id": person.id, "name": person.name, "metadata": dict(person.metadata), "faces": faces})


def _face_values(face: CarriedFace) -> dict[str, Any]:
    values: dict[str, Any] = {
        "id": face.id,
        "quality": face.quality,
        "detail": dict(face.detail),
        "created_at": face.created_at.isoformat(),
        "source": face.source,
        "vector": base64.b64encode(face.vector).decode(),
    }
    if face.crop is not None:
        values["crop"] = base64.b64encode(face.crop).decode()
    return values


def line_of(values: dict[str, Any]) -> bytes:
    """A JSON object as a line, with its end."""
    return json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def read_header(line: bytes) -> Header:
    """The first line. Raises BadExport."""
    try:
        values = json.loads(line)
    except ValueError:
        values = None
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise BadExport("this is no exported collection: its first line is no header of one")
    if values.get("version") != VERSION:
        raise BadExport(f"the file has version {values.get('version')!r}, this code reads {VERSION}")
    try:
        return Header.model_validate_json(line)
    except ValidationError as error:
        raise BadExport(f"the header is wrong: {_problem(error)}") from None


def read_person(line: bytes) -> CarriedPerson:
    """One person's line. Raises BadExport."""
    try:
        person = _Person.model_validate_json(line)
    except ValidationError as error:
        raise BadExport(f"a person's line is wrong: {_problem(error)}") from None
    faces = [
        CarriedFace(face.id, face.quality, face.detail, face.created_at, face.source, face.vector, face.crop)
        for face in person.faces
    ]
    return CarriedPerson(person.id, person.name, person.metadata, faces)


def _problem(error: ValidationError) -> str:
    """Where and what, without the value: it may be a template."""
    first = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
