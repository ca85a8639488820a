"""What goes over the wire, strictly: bodies refuse unknown fields, answers say which model contract they rest on."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from index.records import Fusion, Precision, Role, Search

DOTS = (".", "..")
"""Ids that no address can carry: whoever reads one takes them, also percent-encoded, for steps in the path."""


def _no_dots(id: str) -> str:
    if id in DOTS:
        raise ValueError(f"{id!r} is no id: in the path of an address it means another place")
    return id


_NO_DOTS = {"not": {"enum": list(DOTS)}}
CollectionId = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_.-]{1,255}$", json_schema_extra=dict(_NO_DOTS)),
    AfterValidator(_no_dots),
]
PersonId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=255,
        pattern=r"^[^/\x00-\x1f\x7f-\x9f]+$",
        json_schema_extra=dict(_NO_DOTS),
    ),
    AfterValidator(_no_dots),
]
Name = Annotated[str, Field(max_length=1024, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
Metadata = dict[str, Any]
PackName = Annotated[str, Field(min_length=1, max_length=255)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class Body(BaseModel):
    """A request: unknown fields are errors, and in JSON numbers are not made from strings."""

    model_config = ConfigDict(extra="forbid", strict=False, frozen=True)


class Answer(BaseModel):
    """A response."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelRef(Answer):
    """The pack an answer rests on; templates of two contracts are never compared."""

    name: str
    contract_id: str


class Box(Answer):
    """Left, top, width and height; in pixels of the upright image, or as fractions of its size."""

    left: float
    top: float
    width: float
    height: float


class ImageSize(Answer):
    """Pixels of the image after its EXIF orientation was applied."""

    width: int
    height: int


class QualityOut(Answer):
    """Fitness for recognition: score 0..1, face_size in pixels, brightness 0..255, angles in degrees."""

    score: float
    face_size: float
    sharpness: float
    brightness: float
    yaw: float
    pitch: float
    roll: float


class FaceOut(Answer):
    """A face in an image. landmarks: eye, eye, nose, mouth corner, mouth corner, from the image's left."""

    box: Box
    box_fraction: Box
    score: float
    landmarks: list[tuple[float, float]]
    quality: QualityOut
    reasons: list[str]


class EmbeddedFace(FaceOut):
    """A face with its template, a unit vector."""

    embedding: list[float]


class DetectOut(Answer):
    """Every face of one image, largest first."""

    model: ModelRef
    image: ImageSize
    faces: list[FaceOut]


class EmbeddingsOut(Answer):
    """Faces of one image with their templates, largest first."""

    model: ModelRef
    image: ImageSize
    faces: list[EmbeddedFace]


class Decision(Answer):
    """One comparison. match_level is -log10 of the false match rate; None where the pack has no calibration.

    extrapolated: the rate lies below what the calibration's data supports and follows a fitted tail.
    """

    match: bool
    cosine: float
    threshold: float
    match_level: float | None
    false_match_rate: float | None
    extrapolated: bool


class VerifyOut(Decision):
    """Do two photos show one person?"""

    model: ModelRef
    face_a: FaceOut
    face_b: FaceOut


class PersonVerifyOut(Decision):
    """Does a photo show this enrolled person? face is None where the probe came as a template."""

    model: ModelRef
    person_id: str
    face: FaceOut | None


class CollectionIn(Body):
    """A new collection, bound to the contract of a served pack: the main one, or `pack` by its name or contract."""

    id: CollectionId
    pack: PackName | None = None
    fusion: Fusion = Fusion.MEAN
    search: Search = Search.AUTO
    precision: Precision = Precision.FLOAT16
    keep_crops: bool = False
    metadata: Metadata = Field(default_factory=dict)


class CollectionPatch(Body):
    """What can change later; a field left out stays."""

    search: Search | None = None
    keep_crops: bool | None = None
    metadata: Metadata | None = None


class FormOut(Answer):
    """A collection under one model contract: live, the one that is seen; next, being made; previous, live before."""

    role: Role
    contract_id: str
    persons: int
    faces: int


class CollectionOut(Answer):
    """A collection and its size. forms: told of one collection alone, null in lists and answers to writes."""

    id: str
    contract_id: str
    dimension: int
    fusion: Fusion
    search: Search
    precision: Precision
    keep_crops: bool
    metadata: Metadata
    persons: int
    faces: int
    revision: int
    created_at: datetime
    forms: list[FormOut] | None = None


class PersonIn(Body):
    """A new person under the caller's own id."""

    id: PersonId
    name: Name = ""
    metadata: Metadata = Field(default_factory=dict)


class PersonPatch(Body):
    """What can change later; a field left out stays."""

    name: Name | None = None
    metadata: Metadata | None = None


class MergeIn(Body):
    """Moves every face of `source` here and removes `source`."""

    source: PersonId


class PersonOut(Answer):
    """A person and the number of their faces."""

    id: str
    name: str
    metadata: Metadata
    faces: int
    created_at: datetime
    updated_at: datetime


class FaceRecordOut(Answer):
    """An enrolled sample; its vector stays in the store."""

    id: str
    person_id: str
    quality: float
    detail: Metadata
    created_at: datetime


class CollectionPage(Answer):
    """One page; `next` is the cursor of the following one, or None."""

    items: list[CollectionOut]
    next: str | None


class PersonPage(Answer):
    """One page; `next` is the cursor of the following one, or None."""

    items: list[PersonOut]
    next: str | None


class FacePage(Answer):
    """One page; `next` is the cursor of the following one, or None."""

    items: list[FaceRecordOut]
    next: str | None


class Enrolled(Answer):
    """One accepted sample; `index` is its place in the request."""

    index: int
    face_id: str
    face: FaceOut | None


class Rejected(Answer):
    """One refused sample with every reason; `index` is its place in the request."""

    index: int
    reasons: list[str]
    message: str


class EnrolOut(Answer):
    """What became of each image of the call."""

    model: ModelRef
    person_id: str
    enrolled: list[Enrolled]
    rejected: list[Rejected]


class CandidateOut(Answer):
    """A person at or above the threshold. The false match rate is that of the whole search."""

    person_id: str
    name: str
    cosine: float
    match_level: float | None
    false_match_rate: float | None
    extrapolated: bool
    face_id: str | None


class IdentifiedFace(Answer):
    """A probe and who it may be, best first; no candidate means unknown."""

    face: FaceOut | None
    candidates: list[CandidateOut]


class IdentifyOut(Answer):
    """Who is on the photo. gallery_size: templates searched; threshold: the cosine that was asked for."""

    model: ModelRef
    image: ImageSize | None
    gallery_size: int
    threshold: float
    false_match_rate: float | None
    faces: list[IdentifiedFace]


class Health(Answer):
    """Whether the process answers."""

    status: Literal["ok"]


class CollectionReadiness(Answer):
    """How far the vector engine has followed the store."""

    collection: str
    store_revision: int
    engine_revision: int


class ReadyOut(Answer):
    """Whether a request sent now is answered in full."""

    ready: bool
    models_warm: bool
    lagging: list[CollectionReadiness]


class CalibrationOut(Answer):
    """From which data the pack's rates come; floor is the least rate the data itself supports."""

    data: str
    impostor_pairs: int
    floor: float


class ModelOut(Answer):
    """A model pack as it is served."""

    name: str
    version: str
    contract_id: str
    dimension: int
    licence: str
    origin: str
    calibration: CalibrationOut | None


class ModelsOut(Answer):
    """The packs this service answers with."""

    items: list[ModelOut]


class SystemOut(Answer):
    """What runs here."""

    version: str
    engine: str
    provider: str
    keys_required: bool
    versions: dict[str, str]
    verify_max_fmr: float
    identify_max_fmr: float
    max_image_bytes: int
    max_pixels: int
    max_images: int


class ErrorBody(Answer):
    """code: stable word for programs. message: for people. details: by code."""

    code: str
    message: str
    details: Metadata


class ErrorOut(Answer):
    """Every refusal looks like this."""

    error: ErrorBody
    request_id: str | None
