"""Every refusal reaches a boto3 client as the exception that AWS's documentation names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from botocore.exceptions import ClientError

from serving.scopes import Scope
from tests.serving.conftest import Att
from tests.serving.rekognition.conftest import Index, Served
from tests.serving.rekognition.signing import Pair

NOBODY = "00000000-0000-0000-0000-000000000000"

Photos = Att


def name_and_words(ask: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        ask()
    error = caught.value.response["Error"]
    # An exception class of its own exists for whatever the service model knows.
    assert type(caught.value).__name__ in (error["Code"], "ClientError")
    return error["Code"], error["Message"]


def blank() -> bytes:
    return bytes(cv2.imencode(".png", np.full((64, 64, 3), 127, np.uint8))[1])


@pytest.mark.parametrize(
    ("operation", "asked", "name", "words"),
    [
        ("describe_collection", {"CollectionId": "none"}, "ResourceNotFoundException", "'none'"),
        ("list_faces", {"CollectionId": "none"}, "ResourceNotFoundException", "'none'"),
        ("list_users", {"CollectionId": "none"}, "ResourceNotFoundException", "'none'"),
        ("delete_collection", {"CollectionId": "none"}, "ResourceNotFoundException", "'none'"),
        (
            "delete_faces",
            {"CollectionId": "none", "FaceIds": [NOBODY]},
            "ResourceNotFoundException",
            "'none'",
        ),
        ("create_user", {"CollectionId": "none", "UserId": "a"}, "ResourceNotFoundException", "'none'"),
        ("delete_user", {"CollectionId": "held", "UserId": "a"}, "ResourceNotFoundException", "'a'"),
        (
            "associate_faces",
            {"CollectionId": "held", "UserId": "a", "FaceIds": [NOBODY]},
            "ResourceNotFoundException",
            "'a'",
        ),
        ("list_faces", {"CollectionId": "held", "UserId": "a"}, "ResourceNotFoundException", "'a'"),
        ("create_collection", {"CollectionId": "held"}, "ResourceAlreadyExistsException", "held"),
        ("create_user", {"CollectionId": "held", "UserId": "user"}, "ConflictException", "user"),
        (
            "create_user",
            {"CollectionId": "held", "UserId": "face:" + "0" * 32},
            "InvalidParameterException",
            "another",
        ),
        (
            "search_faces",
            {"CollectionId": "held", "FaceId": NOBODY},
            "InvalidParameterException",
            "not found",
        ),
        ("search_users", {"CollectionId": "held"}, "InvalidParameterException", "UserId or FaceId"),
        (
            "search_users",
            {"CollectionId": "held", "UserId": "user"},
            "InvalidParameterException",
            "no faces",
        ),
        (
            "list_faces",
            {"CollectionId": "held", "NextToken": "x"},
            "InvalidPaginationTokenException",
            "without",
        ),
        (
            "detect_faces",
            {"Image": {"S3Object": {"Bucket": "bucket", "Name": "x.jpg"}}},
            "InvalidS3ObjectException",
            "Image.Bytes",
        ),
        ("detect_faces", {"Image": {}}, "InvalidParameterException", "Image.Bytes"),
        ("detect_faces", {"Image": {"Bytes": b"no image"}}, "InvalidImageFormatException", "JPEG"),
        (
            "search_faces_by_image",
            {"CollectionId": "held", "Image": {"Bytes": blank()}},
            "InvalidParameterException",
            "no faces in Image",
        ),
        (
            "compare_faces",
            {"SourceImage": {"Bytes": blank()}, "TargetImage": {"Bytes": blank()}},
            "InvalidParameterException",
            "no faces in SourceImage",
        ),
        ("list_tags_for_resource", {"ResourceArn": "a" * 30}, "UnknownOperationException", "IndexFaces"),
    ],
)
def test_a_refusal_has_its_aws_name_and_says_what_was_wrong(
    rekognition: Any, held: None, operation: str, asked: dict[str, Any], name: str, words: str
) -> None:
    told_name, told = name_and_words(lambda: getattr(rekognition, operation)(**asked))
    assert told_name == name
    assert words in told


@pytest.fixture(scope="module")
def held(rekognition: Any) -> None:
    rekognition.create_collection(CollectionId="held")
    rekognition.create_user(CollectionId="held", UserId="user")


@pytest.mark.parametrize(
    ("operation", "asked", "where", "words"),
    [
        ("create_collection", {"CollectionId": "a b"}, "collectionId", "regular expression"),
        ("create_collection", {"CollectionId": "x" * 256}, "collectionId", "less than or equal to 255"),
        ("create_collection", {"CollectionId": "a\n"}, "collectionId", "regular expression"),
        ("create_user", {"CollectionId": "held", "UserId": "x" * 129}, "userId", "equal to 128"),
        ("create_user", {"CollectionId": "held", "UserId": "a/b"}, "userId", "regular expression"),
        (
            "create_user",
            {"CollectionId": "held", "UserId": "a", "ClientRequestToken": "a b"},
            "clientRequestToken",
            "regular expression",
        ),
        ("list_faces", {"CollectionId": "held", "MaxResults": 4097}, "maxResults", "equal to 4096"),
        ("list_faces", {"CollectionId": "held", "FaceIds": ["ABC"]}, "faceIds.0", "regular expression"),
        ("list_users", {"CollectionId": "held", "MaxResults": 501}, "maxResults", "equal to 500"),
        (
            "search_faces",
            {"CollectionId": "held", "FaceId": NOBODY, "FaceMatchThreshold": 100.5},
            "faceMatchThreshold",
            "equal to 100",
        ),
        (
            "search_faces",
            {"CollectionId": "held", "FaceId": NOBODY, "MaxFaces": 4097},
            "maxFaces",
            "equal to 4096",
        ),
        (
            "associate_faces",
            {"CollectionId": "held", "UserId": "a", "FaceIds": [NOBODY] * 101},
            "faceIds",
            "equal to 100",
        ),
        (
            "index_faces",
            {"CollectionId": "held", "Image": {"Bytes": b"x"}, "ExternalImageId": "a b"},
            "externalImageId",
            "regular expression",
        ),
        (
            "index_faces",
            {"CollectionId": "held", "Image": {"Bytes": b"x"}, "QualityFilter": "BEST"},
            "qualityFilter",
            "enum value set",
        ),
        (
            "index_faces",
            {"CollectionId": "held", "Image": {"Bytes": b"x"}, "DetectionAttributes": ["HAT"]},
            "detectionAttributes.0",
            "enum value set",
        ),
        ("detect_faces", {"Image": {"Bytes": b"x" * 5_242_881}}, "image.bytes", "equal to 5242880"),
    ],
)
def test_a_value_outside_the_service_model_is_a_validation_exception_that_names_the_member(
    rekognition: Any, held: None, operation: str, asked: dict[str, Any], where: str, words: str
) -> None:
    name, told = name_and_words(lambda: getattr(rekognition, operation)(**asked))
    assert name == "ValidationException"
    assert f"at '{where}' failed to satisfy constraint" in told
    assert words in told


def test_an_image_beyond_the_pixel_limit_is_too_large(rekognition: Any) -> None:
    wide = bytes(cv2.imencode(".png", np.zeros((4, 16_385, 3), np.uint8))[1])
    name, told = name_and_words(lambda: rekognition.detect_faces(Image={"Bytes": wide}))
    assert name == "ImageTooLargeException"
    assert "16385" in told


def test_an_unfit_face_is_not_searched_with_where_the_filter_is_asked_for(
    rekognition: Any, held: None, att: Photos
) -> None:
    image = cv2.imdecode(np.frombuffer(att[1, 1], np.uint8), cv2.IMREAD_COLOR)
    dark = {"Bytes": bytes(cv2.imencode(".png", (image * 0.12).astype(np.uint8))[1])}
    asked = {"CollectionId": "held", "Image": dark}
    assert rekognition.search_faces_by_image(**asked)["FaceMatches"] == []
    name, told = name_and_words(lambda: rekognition.search_faces_by_image(**asked, QualityFilter="AUTO"))
    assert name == "InvalidParameterException"
    assert "LOW_BRIGHTNESS" in told


def test_a_token_of_another_listing_is_no_page(rekognition: Any, collection: str, index: Index) -> None:
    index((1, 1), (2, 1))
    token = rekognition.list_faces(CollectionId=collection, MaxResults=1)["NextToken"]
    rekognition.create_collection(CollectionId="other")
    for ask in (rekognition.list_faces, rekognition.list_users):
        name, _ = name_and_words(lambda ask=ask: ask(CollectionId="other", NextToken=token))  # type: ignore[misc]
        assert name == "InvalidPaginationTokenException"


def test_wrong_credentials_are_refused_by_their_aws_names(served: Served) -> None:
    pair = served.pairs[Scope.READ]
    wrong = served.client(Pair(pair.access, "x" * 43))
    assert name_and_words(wrong.list_collections)[0] == "InvalidSignatureException"
    unknown = served.client(Pair("COCIRCLEDEADBEEF", pair.secret))
    assert name_and_words(unknown.list_collections)[0] == "UnrecognizedClientException"
    reader = served.client(pair, region="us-gov-west-1")
    assert "CollectionIds" in reader.list_collections()
    name, told = name_and_words(lambda: reader.create_collection(CollectionId="mine"))
    assert name == "AccessDeniedException"
    assert "'admin'" in told
