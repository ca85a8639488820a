"""One gallery behind both protocols: what one of them wrote, the other finds; and what the store refuses is told."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest

from index.errors import CommitUnknown, EngineBehind, GalleryError, StoreUnavailable
from index.records import Fusion, NewCollection, NewFace
from serving.rekognition.credentials import Credentials
from serving.rekognition.similarity import Similarities
from serving.scopes import Scope
from tests.serving.conftest import Att, Opened
from tests.serving.rekognition.signing import Pair, pair_of, signed

Photos = Att


def ask(http: httpx.Client, operation: str, **body: Any) -> dict[str, Any]:
    headers, data = signed(Pair("any", "any"), operation, body)
    found: dict[str, Any] = http.post("/", content=data, headers=headers).json()
    return found


def base64_of(photo: bytes) -> str:
    return base64.b64encode(photo).decode()


def test_a_user_made_by_one_protocol_is_a_person_of_the_other(
    opened: Callable[..., Opened], att: Photos
) -> None:
    http = opened().http
    ask(http, "CreateCollection", CollectionId="c")
    image = {"Bytes": base64_of(att[1, 1])}
    (record,) = ask(http, "IndexFaces", CollectionId="c", Image=image)["FaceRecords"]
    face = record["Face"]["FaceId"]
    persons = http.get("/v1/collections/c/persons").json()["items"]
    assert [person["id"] for person in persons] == ["face:" + face.replace("-", "")]
    ask(http, "CreateUser", CollectionId="c", UserId="ada")
    ask(http, "AssociateFaces", CollectionId="c", UserId="ada", FaceIds=[face])
    photo = {"image": ("x", att[1, 5])}
    (found,) = http.post("/v1/collections/c/identify", files=photo).json()["faces"]
    assert [candidate["person_id"] for candidate in found["candidates"]] == ["ada"]
    enrolled = http.post(
        "/v1/collections/c/persons/ben/faces", files={"image": ("x", att[2, 1])}, params={"create": "true"}
    )
    assert enrolled.status_code == 201
    users = ask(http, "ListUsers", CollectionId="c")["Users"]
    assert users == [{"UserId": id, "UserStatus": "ACTIVE"} for id in ("ada", "ben")]
    (match,) = ask(http, "SearchFacesByImage", CollectionId="c", Image={"Bytes": base64_of(att[2, 2])})[
        "FaceMatches"
    ]
    assert match["Face"]["UserId"] == "ben"


def test_a_collection_of_means_finds_users_and_says_why_it_finds_no_faces(
    opened: Callable[..., Opened], att: Photos
) -> None:
    service = opened()
    assert service.http.post("/v1/collections", json={"id": "means"}).status_code == 201
    photo = {"image": ("x", att[1, 1])}
    service.http.post(
        "/v1/collections/means/persons/ada/faces", files=photo, params={"create": "true"}
    ).raise_for_status()
    image = {"Bytes": base64_of(att[1, 5])}
    (match,) = ask(service.http, "SearchUsersByImage", CollectionId="means", Image=image)["UserMatches"]
    assert match["User"]["UserId"] == "ada"
    refused = ask(service.http, "SearchFacesByImage", CollectionId="means", Image=image)
    assert refused["__type"] == "InvalidParameterException"
    assert "fusion=samples" in refused["message"]


def test_a_collection_of_a_contract_that_is_not_served_is_refused_with_both_named(
    opened: Callable[..., Opened],
) -> None:
    service = opened()
    new = NewCollection("old", "another-contract", 8, fusion=Fusion.SAMPLES)
    service.service.gallery.create_collection(new)
    face = NewFace(np.ones(8), id="0" * 32)
    service.service.gallery.samples.change(
        lambda writing: writing.add_unnamed("old", [face], contract_id="another-contract")
    )
    (listed,) = ask(service.http, "ListFaces", CollectionId="old")["Faces"]
    assert listed == {"FaceId": "00000000-0000-0000-0000-000000000000"}
    refused = ask(service.http, "SearchFaces", CollectionId="old", FaceId=listed["FaceId"])
    assert refused["__type"] == "InvalidParameterException"
    assert "another-contract" in refused["message"]
    assert service.service.pack.contract_id in refused["message"]


def test_without_a_calibration_faces_are_enrolled_and_searches_say_what_is_missing(
    opened: Callable[..., Opened], att: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    http = opened().http
    monkeypatch.setattr(Similarities, "of", classmethod(lambda cls, pack: cls(pack.name, None)))
    image = {"Bytes": base64_of(att[1, 1])}
    ask(http, "CreateCollection", CollectionId="c")
    assert len(ask(http, "IndexFaces", CollectionId="c", Image=image)["FaceRecords"]) == 1
    refused = ask(http, "SearchFacesByImage", CollectionId="c", Image=image)
    assert refused["__type"] == "InvalidParameterException"
    assert "no calibration" in refused["message"]


@pytest.mark.parametrize(
    ("failure", "again"),
    [
        (StoreUnavailable("the disk is full"), "ok"),
        (EngineBehind("not yet", write_committed=True), "ThrottlingException"),
        (CommitUnknown("the connection broke"), "ThrottlingException"),
    ],
)
def test_a_store_that_cannot_answer_is_503_and_the_very_write_may_come_again_only_if_it_was_not_done(
    opened: Callable[..., Opened], monkeypatch: pytest.MonkeyPatch, failure: GalleryError, again: str
) -> None:
    service = opened(auth="on")
    pair = pair_of(service.service.keys, Credentials.open(service.service.settings.folder), Scope.ADMIN)
    headers, body = signed(pair, "CreateCollection", {"CollectionId": "c"})

    def fail(*_: Any) -> None:
        raise failure

    with monkeypatch.context() as patch:
        patch.setattr(service.service.gallery, "create_collection", fail)
        answer = service.http.post("/", content=body, headers=headers)
    assert (answer.status_code, answer.json()["__type"]) == (503, "InternalServerError")
    assert answer.headers["x-amz-retry-after"] == "1000"
    assert service.http.post("/", content=body, headers=headers).json().get("__type", "ok") == again
