"""A key that is limited to some collections, by the AWS protocol: others are not there for it, and it makes none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.rekognition.credentials import access_key_id
from serving.rekognition.operation import OPERATIONS
from serving.scopes import Scope
from tests.serving.rekognition.signing import Pair
from tests.serving.rekognition.test_admission import Guarded, opened_app


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder: Path = tmp_path_factory.mktemp("granted")
    with opened_app(folder, "on") as found:
        for name in ("door", "team-a", "other"):
            found.ask(found.pair(), "CreateCollection", {"CollectionId": name})
        yield found


def limited(guarded: Guarded, rate: float | None = None) -> Pair:
    ring = guarded.opened.service.keys
    key = ring.find(ring.create("", Scope.ADMIN, collections=["door", "team-*"], rate=rate))
    assert key is not None
    return Pair(access_key_id(key), guarded.doorway.credentials.secret(key))


FACE = "00000000-0000-0000-0000-000000000000"
MEMBERS = {
    "DeleteFaces": {"FaceIds": [FACE]},
    "SearchFaces": {"FaceId": FACE},
    "SearchUsers": {"FaceId": FACE},
    "CreateUser": {"UserId": "u"},
    "DeleteUser": {"UserId": "u"},
    "AssociateFaces": {"UserId": "u", "FaceIds": [FACE]},
    "DisassociateFaces": {"UserId": "u", "FaceIds": [FACE]},
    "IndexFaces": {"Image": {"Bytes": "AAAA"}},
    "SearchFacesByImage": {"Image": {"Bytes": "AAAA"}},
    "SearchUsersByImage": {"Image": {"Bytes": "AAAA"}},
}
OF_A_COLLECTION = sorted(
    name for name, one in OPERATIONS.items() if "collection_id" in one.shape.model_fields
)


@pytest.mark.parametrize("operation", OF_A_COLLECTION)
def test_a_collection_that_is_not_granted_is_not_there(guarded: Guarded, operation: str) -> None:
    asked = {"CollectionId": "other", **MEMBERS.get(operation, {})}
    told = guarded.ask(limited(guarded), operation, asked)
    assert told == (
        "AccessDeniedException" if operation == "CreateCollection" else "ResourceNotFoundException"
    )
    assert guarded.opened.service.gallery.collection("other").persons == 0


def test_a_listing_holds_what_is_granted(guarded: Guarded) -> None:
    from tests.serving.rekognition.signing import signed

    answer = guarded.send(*signed(limited(guarded), "ListCollections", {}))
    assert answer.json()["CollectionIds"] == ["door", "team-a"]
    assert guarded.ask(limited(guarded), "DescribeCollection", {"CollectionId": "door"}) == "ok"


def test_a_key_that_asks_too_often_is_throttled(guarded: Guarded) -> None:
    pair = limited(guarded, rate=0.001)
    assert guarded.ask(pair, "ListCollections", {}) == "ok"
    assert guarded.ask(pair, "ListCollections", {}) == "ThrottlingException"
