"""What the operations are asked with, as strictly as the service model says it; answers nothing."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_pascal
from pydantic_core import ErrorDetails, PydanticCustomError

from serving.rekognition.errors import AwsError

MOST_IMAGE_BYTES = 5 * 1024 * 1024


def _decoded(value: object) -> object:
    if not isinstance(value, str):
        raise PydanticCustomError("string_type", "must be a base64 string")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise PydanticCustomError("base64", "must be base64") from None


CollectionId = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9_.\-]+$")]
UserId = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[a-zA-Z0-9_.\-:]+$")]
ExternalImageId = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[a-zA-Z0-9_.\-:]+$")]
FaceId = Annotated[str, Field(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]
RequestToken = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-zA-Z0-9\-_]+$")]
# The model says 255; a cursor that holds the longest collection id and its signature is longer.
PageToken = Annotated[str, Field(max_length=512)]
Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
PageSize = Annotated[int, Field(ge=0, le=4096)]
MaxFaces = Annotated[int, Field(ge=1, le=4096)]
MaxUsers = Annotated[int, Field(ge=1, le=500)]
ImageBytes = Annotated[bytes, BeforeValidator(_decoded), Field(min_length=1, max_length=MOST_IMAGE_BYTES)]
Filter = Literal["NONE", "AUTO", "LOW", "MEDIUM", "HIGH"]
Attribute = Literal[
    "DEFAULT",
    "ALL",
    "AGE_RANGE",
    "BEARD",
    "EMOTIONS",
    "EYE_DIRECTION",
    "EYEGLASSES",
    "EYES_OPEN",
    "GENDER",
    "MOUTH_OPEN",
    "MUSTACHE",
    "FACE_OCCLUDED",
    "SMILE",
    "SUNGLASSES",
]
Tags = dict[
    Annotated[str, Field(min_length=1, max_length=128)], Annotated[str, Field(min_length=0, max_length=256)]
]


class Input(BaseModel):
    """A request or a part of one: members in AWS's spelling, unknown ones refused, nothing converted."""

    model_config = ConfigDict(alias_generator=to_pascal, extra="forbid", strict=True, frozen=True)


class Image(Input):
    """A photo in the request; the one in a bucket is named only to be refused."""

    bytes: ImageBytes | None = None
    s3_object: dict[str, Any] | None = None

    def encoded(self) -> Any:
        """The file. Raises AwsError unless the request holds it itself."""
        if self.s3_object is not None:
            message = (
                "This service reads no buckets: send the image itself as Image.Bytes in place of S3Object."
            )
            raise AwsError("InvalidS3ObjectException", message)
        if self.bytes is None:
            raise AwsError("InvalidParameterException", "Image.Bytes is needed.")
        return self.bytes


class InCollection(Input):
    """What names a collection."""

    collection_id: CollectionId


class CreateCollection(InCollection):
    """tags: kept as the collection's metadata."""

    tags: Tags | None = Field(default=None, max_length=200)


class DescribeCollection(InCollection):
    """One collection."""


class DeleteCollection(InCollection):
    """A collection and all it holds."""


class ListCollections(Input):
    """A page of collections."""

    next_token: PageToken | None = None
    max_results: PageSize | None = None


class IndexFaces(InCollection):
    """A photo whose faces are enrolled, each on its own."""

    image: Image
    external_image_id: ExternalImageId | None = None
    detection_attributes: list[Attribute] | None = None
    max_faces: Annotated[int, Field(ge=1)] | None = None
    quality_filter: Filter = "AUTO"


class ListFaces(InCollection):
    """A page of faces: all, a user's, or those named."""

    next_token: PageToken | None = None
    max_results: PageSize | None = None
    user_id: UserId | None = None
    face_ids: list[FaceId] | None = Field(default=None, min_length=1, max_length=4096)


class DeleteFaces(InCollection):
    """Faces that are nobody's."""

    face_ids: list[FaceId] = Field(min_length=1, max_length=4096)


class SearchFaces(InCollection):
    """Faces like an enrolled one."""

    face_id: FaceId
    max_faces: MaxFaces | None = None
    face_match_threshold: Percent | None = None


class SearchFacesByImage(InCollection):
    """Faces like the largest of a photo."""

    image: Image
    max_faces: MaxFaces | None = None
    face_match_threshold: Percent | None = None
    quality_filter: Filter = "NONE"


class CompareFaces(Input):
    """The largest face of one photo with every face of another."""

    source_image: Image
    target_image: Image
    similarity_threshold: Percent | None = None
    quality_filter: Filter = "NONE"


class DetectFaces(Input):
    """The faces of a photo."""

    image: Image
    attributes: list[Attribute] | None = None


class OfUser(InCollection):
    """A change of a user; the token makes it happen once."""

    user_id: UserId
    client_request_token: RequestToken | None = None


class CreateUser(OfUser):
    """A user without faces."""


class DeleteUser(OfUser):
    """The user; the faces stay, as nobody's."""


class ListUsers(InCollection):
    """A page of users."""

    next_token: PageToken | None = None
    max_results: MaxUsers | None = None


class AssociateFaces(OfUser):
    """Nobody's faces that become a user's."""

    face_ids: list[FaceId] = Field(min_length=1, max_length=100)
    user_match_threshold: Percent | None = None


class DisassociateFaces(OfUser):
    """A user's faces that become nobody's."""

    face_ids: list[FaceId] = Field(min_length=1, max_length=100)


class SearchUsers(InCollection):
    """Users like a user, or like an enrolled face."""

    user_id: UserId | None = None
    face_id: FaceId | None = None
    user_match_threshold: Percent | None = None
    max_users: MaxUsers | None = None


class SearchUsersByImage(InCollection):
    """Users like the largest face of a photo."""

    image: Image
    user_match_threshold: Percent | None = None
    max_users: MaxUsers | None = None
    quality_filter: Filter = "NONE"


def read_input(shape: type[Input], given: dict[str, Any]) -> Any:
    """A request of a shape. Raises AwsError, ValidationException or SerializationException, naming what is wrong."""
    try:
        return shape.model_validate({name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        problems = error.errors(include_url=False)
        name = "SerializationException" if any(_mistyped(one) for one in problems) else "ValidationException"
        told = "; ".join(_told(one) for one in problems[:10])
        count = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''} detected"
        raise AwsError(name, f"{count}: {told}") from None


def _mistyped(problem: ErrorDetails) -> bool:
    return problem["type"].endswith("_type") or problem["type"] in ("base64", "int_from_float")


def _told(problem: ErrorDetails) -> str:
    where = ".".join(_member(part) for part in problem["loc"])
    if problem["type"] == "missing":
        return f"Value null at '{where}' failed to satisfy constraint: Member must not be null"
    if problem["type"] == "extra_forbidden":
        return f"'{where}' is no member of this operation here"
    value = problem["input"]
    # An image is long, and a face.
    shown = (
        f" '{value}'"
        if isinstance(value, int | float) or (isinstance(value, str) and len(value) <= 300)
        else ""
    )
    return f"Value{shown} at '{where}' failed to satisfy constraint: {_constraint(problem)}"


def _member(part: int | str) -> str:
    return str(part) if isinstance(part, int) else part[:1].lower() + part[1:]


def _constraint(problem: ErrorDetails) -> str:
    context = problem.get("ctx", {})
    match problem["type"]:
        case "string_pattern_mismatch":
            return f"Member must satisfy regular expression pattern: {context['pattern'].strip('^$')}"
        case "string_too_short" | "too_short" | "bytes_too_short":
            return f"Member must have length greater than or equal to {context['min_length']}"
        case "string_too_long" | "too_long" | "bytes_too_long":
            return f"Member must have length less than or equal to {context['max_length']}"
        case "greater_than_equal":
            return f"Member must have value greater than or equal to {context['ge']:g}"
        case "less_than_equal":
            return f"Member must have value less than or equal to {context['le']:g}"
        case "literal_error":
            return f"Member must satisfy enum value set: {context['expected']}"
    return f"Member {problem['msg'].removeprefix('Input ')}"
