"""What a client of AWS does, by boto3 against a running service: every answer fits botocore's own service model."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
import pytest

from tests.serving.conftest import Att
from tests.serving.rekognition.conftest import Index
from tests.serving.rekognition.service_model import MODEL, problems

Photos = Att


def group_photo(att: Photos, *people: tuple[int, int]) -> bytes:
    """Photos side by side, the first twice the size of the others."""
    decoded = [cv2.imdecode(np.frombuffer(att[one], np.uint8), cv2.IMREAD_COLOR) for one in people]
    decoded[0] = cv2.resize(decoded[0], None, fx=2, fy=2)
    height = max(image.shape[0] for image in decoded)
    padded = [
        cv2.copyMakeBorder(image, 0, height - image.shape[0], 10, 10, cv2.BORDER_CONSTANT, value=(90, 90, 90))
        for image in decoded
    ]
    return bytes(cv2.imencode(".png", np.hstack(padded))[1])


def pages(ask: Any, **asked: Any) -> list[Any]:
    found = [ask(**asked)]
    while "NextToken" in found[-1]:
        found.append(ask(**asked, NextToken=found[-1]["NextToken"]))
    return found


def test_collections_are_made_described_listed_and_deleted(rekognition: Any) -> None:
    made = rekognition.create_collection(CollectionId="door.1", Tags={"place": "door"})
    assert made["StatusCode"] == 200
    assert made["CollectionArn"].endswith(":collection/door.1")
    described = rekognition.describe_collection(CollectionId="door.1")
    assert (described["FaceCount"], described["UserCount"]) == (0, 0)
    assert described["FaceModelVersion"] == made["FaceModelVersion"]
    assert described["CreationTimestamp"].tzinfo is not None
    rekognition.create_collection(CollectionId="door.2")
    listed = pages(rekognition.list_collections, MaxResults=1)
    ids = [id for page in listed for id in page["CollectionIds"]]
    assert {"door.1", "door.2"} <= set(ids)
    assert len(ids) == len(set(ids)) == len(listed)
    assert all(len(page["FaceModelVersions"]) == 1 for page in listed)
    assert rekognition.delete_collection(CollectionId="door.1")["StatusCode"] == 200
    with pytest.raises(rekognition.exceptions.ResourceNotFoundException):
        rekognition.describe_collection(CollectionId="door.1")


def test_a_collection_is_deleted_with_the_faces_in_it(
    rekognition: Any, collection: str, index: Index
) -> None:
    index((1, 1))
    rekognition.delete_collection(CollectionId=collection)
    rekognition.create_collection(CollectionId=collection)
    assert rekognition.list_faces(CollectionId=collection)["Faces"] == []


def test_the_same_write_twice_in_one_second_is_done_twice(rekognition: Any) -> None:
    for _ in range(2):
        rekognition.create_collection(CollectionId="again")
        rekognition.delete_collection(CollectionId="again")


def test_enrolled_faces_are_found_one_by_one_and_strangers_are_not(
    rekognition: Any, collection: str, index: Index, att: Photos
) -> None:
    first, second, _ = index((1, 1), (1, 2), (2, 1))
    answer = rekognition.search_faces_by_image(CollectionId=collection, Image={"Bytes": att[1, 5]})
    assert {match["Face"]["FaceId"] for match in answer["FaceMatches"]} == {first, second}
    assert all(80 <= match["Similarity"] <= 100 for match in answer["FaceMatches"])
    assert {match["Face"]["ExternalImageId"] for match in answer["FaceMatches"]} == {"1:1", "1:2"}
    similarities = [match["Similarity"] for match in answer["FaceMatches"]]
    assert similarities == sorted(similarities, reverse=True)
    stranger = rekognition.search_faces_by_image(CollectionId=collection, Image={"Bytes": att[30, 1]})
    assert stranger["FaceMatches"] == []
    one = rekognition.search_faces_by_image(CollectionId=collection, Image={"Bytes": att[1, 5]}, MaxFaces=1)
    assert [match["Similarity"] for match in one["FaceMatches"]] == similarities[:1]
    everybody = rekognition.search_faces_by_image(
        CollectionId=collection, Image={"Bytes": att[1, 5]}, FaceMatchThreshold=0
    )
    assert len(everybody["FaceMatches"]) == 3


def test_a_face_that_is_searched_with_is_not_among_its_own_matches(
    rekognition: Any, collection: str, index: Index
) -> None:
    first, second, _ = index((1, 1), (1, 2), (2, 1))
    answer = rekognition.search_faces(CollectionId=collection, FaceId=first)
    assert answer["SearchedFaceId"] == first
    assert [match["Face"]["FaceId"] for match in answer["FaceMatches"]] == [second]


def test_a_users_faces_are_searched_one_by_one(rekognition: Any, collection: str, index: Index) -> None:
    faces = index((1, 1), (1, 2), (1, 3), (2, 1))
    rekognition.create_user(CollectionId=collection, UserId="ann")
    rekognition.associate_faces(
        CollectionId=collection, UserId="ann", FaceIds=faces[:3], UserMatchThreshold=0
    )
    answer = rekognition.search_faces(CollectionId=collection, FaceId=faces[0], FaceMatchThreshold=0)
    assert {match["Face"]["FaceId"] for match in answer["FaceMatches"]} == set(faces[1:])
    assert [match["Face"].get("UserId") for match in answer["FaceMatches"]].count("ann") == 2


def test_the_same_photo_again_is_the_same_face(rekognition: Any, collection: str, index: Index) -> None:
    once, twice = index((1, 1)), index((1, 1))
    assert once == twice
    assert rekognition.describe_collection(CollectionId=collection)["FaceCount"] == 1
    rekognition.delete_faces(CollectionId=collection, FaceIds=once)
    assert rekognition.describe_collection(CollectionId=collection)["FaceCount"] == 0
    assert index((1, 1)) == once
    assert rekognition.describe_collection(CollectionId=collection)["FaceCount"] == 1


def test_faces_beyond_max_faces_are_told_and_not_enrolled(
    rekognition: Any, collection: str, att: Photos
) -> None:
    photo = group_photo(att, (1, 1), (2, 1), (5, 1))
    answer = rekognition.index_faces(
        CollectionId=collection,
        Image={"Bytes": photo},
        MaxFaces=1,
        QualityFilter="NONE",
        DetectionAttributes=["ALL"],
    )
    assert len(answer["FaceRecords"]) == 1
    detail = answer["FaceRecords"][0]["FaceDetail"]
    assert {mark["Type"] for mark in detail["Landmarks"]} == {
        "eyeLeft",
        "eyeRight",
        "nose",
        "mouthLeft",
        "mouthRight",
    }
    marks = {mark["Type"]: mark for mark in detail["Landmarks"]}
    box = detail["BoundingBox"]
    assert marks["eyeLeft"]["X"] < marks["nose"]["X"] < marks["eyeRight"]["X"]
    assert box["Left"] < marks["nose"]["X"] < box["Left"] + box["Width"]
    assert [face["Reasons"] for face in answer["UnindexedFaces"]] == [["EXCEEDS_MAX_FACES"]] * 2
    widths = [face["FaceDetail"]["BoundingBox"]["Width"] for face in answer["UnindexedFaces"]]
    assert box["Width"] > max(widths)


def test_a_face_unfit_to_enrol_is_told_with_its_reasons(
    rekognition: Any, collection: str, att: Photos
) -> None:
    image = cv2.imdecode(np.frombuffer(att[1, 1], np.uint8), cv2.IMREAD_COLOR)
    dark = bytes(cv2.imencode(".png", (image * 0.12).astype(np.uint8))[1])
    answer = rekognition.index_faces(CollectionId=collection, Image={"Bytes": dark})
    assert answer["FaceRecords"] == []
    (face,) = answer["UnindexedFaces"]
    assert "LOW_BRIGHTNESS" in face["Reasons"]
    taken = rekognition.index_faces(CollectionId=collection, Image={"Bytes": dark}, QualityFilter="NONE")
    assert len(taken["FaceRecords"]) == 1


def test_a_high_quality_filter_takes_no_more_than_a_low_one(rekognition: Any, att: Photos) -> None:
    def taken(filter: str, photo: bytes) -> int:
        answer = rekognition.compare_faces(
            SourceImage={"Bytes": photo},
            TargetImage={"Bytes": photo},
            QualityFilter=filter,
            SimilarityThreshold=0,
        )
        return len(answer["FaceMatches"]) + len(answer["UnmatchedFaces"])

    photo = group_photo(att, (1, 1), (2, 1))
    assert taken("HIGH", photo) <= taken("MEDIUM", photo) <= taken("LOW", photo) <= taken("NONE", photo) == 2


def test_two_photos_are_compared_face_by_face(rekognition: Any, att: Photos) -> None:
    target = group_photo(att, (2, 1), (1, 2), (5, 1))
    answer = rekognition.compare_faces(SourceImage={"Bytes": att[1, 1]}, TargetImage={"Bytes": target})
    assert len(answer["FaceMatches"]) == 1
    assert answer["FaceMatches"][0]["Similarity"] >= 80
    assert len(answer["UnmatchedFaces"]) == 2
    assert 0 < answer["SourceImageFace"]["Confidence"] <= 100


def test_a_photo_compared_with_itself_has_similarity_100(rekognition: Any, att: Photos) -> None:
    photo = {"Bytes": att[1, 1]}
    answer = rekognition.compare_faces(SourceImage=photo, TargetImage=photo, SimilarityThreshold=100)
    assert [match["Similarity"] for match in answer["FaceMatches"]] == [100.0]


def test_every_face_of_a_photo_is_detected_with_what_is_measured_and_no_more(
    rekognition: Any, att: Photos
) -> None:
    answer = rekognition.detect_faces(
        Image={"Bytes": group_photo(att, (1, 1), (2, 1))}, Attributes=["ALL", "EMOTIONS"]
    )
    assert len(answer["FaceDetails"]) == 2
    for detail in answer["FaceDetails"]:
        assert set(detail) == {"BoundingBox", "Landmarks", "Pose", "Quality", "Confidence"}
        assert 0 < detail["Quality"]["Brightness"] < 100
        assert 0 < detail["Quality"]["Sharpness"] < 100


def test_users_are_made_given_faces_found_and_forgotten(
    rekognition: Any, collection: str, index: Index, att: Photos
) -> None:
    ann, also_ann, ben = index((1, 1), (1, 2), (2, 1))
    rekognition.create_user(CollectionId=collection, UserId="ann")
    assert rekognition.list_users(CollectionId=collection)["Users"] == [
        {"UserId": "ann", "UserStatus": "CREATED"}
    ]
    answer = rekognition.associate_faces(CollectionId=collection, UserId="ann", FaceIds=[ann, also_ann, ben])
    assert [face["FaceId"] for face in answer["AssociatedFaces"]] == [ann, also_ann]
    (refused,) = answer["UnsuccessfulFaceAssociations"]
    assert (refused["FaceId"], refused["Reasons"]) == (ben, ["LOW_MATCH_CONFIDENCE"])
    assert refused["Confidence"] < 75
    assert answer["UserStatus"] == "ACTIVE"
    found = rekognition.search_users_by_image(CollectionId=collection, Image={"Bytes": att[1, 5]})
    assert [match["User"]["UserId"] for match in found["UserMatches"]] == ["ann"]
    assert found["UnsearchedFaces"] == []
    nobody = rekognition.search_users_by_image(CollectionId=collection, Image={"Bytes": att[2, 5]})
    assert nobody["UserMatches"] == []
    listed = rekognition.list_faces(CollectionId=collection, UserId="ann")["Faces"]
    assert {face["FaceId"] for face in listed} == {ann, also_ann}
    assert {face["UserId"] for face in listed} == {"ann"}
    assert rekognition.describe_collection(CollectionId=collection)["UserCount"] == 1
    refused = rekognition.delete_faces(CollectionId=collection, FaceIds=[ann, ben])
    assert refused["DeletedFaces"] == [ben]
    assert refused["UnsuccessfulFaceDeletions"] == [
        {"FaceId": ann, "UserId": "ann", "Reasons": ["ASSOCIATED_TO_AN_EXISTING_USER"]}
    ]
    rekognition.delete_user(CollectionId=collection, UserId="ann")
    assert rekognition.list_users(CollectionId=collection)["Users"] == []
    faces = rekognition.list_faces(CollectionId=collection)["Faces"]
    assert {face["FaceId"] for face in faces} == {ann, also_ann}
    assert all("UserId" not in face for face in faces)


def test_a_face_is_taken_from_a_user_and_given_to_another(
    rekognition: Any, collection: str, index: Index
) -> None:
    one, two, absent = *index((1, 1), (1, 2)), "0" * 8 + "-0000-0000-0000-" + "0" * 12
    for user in ("ann", "ben"):
        rekognition.create_user(CollectionId=collection, UserId=user)
    rekognition.associate_faces(CollectionId=collection, UserId="ann", FaceIds=[one, two])
    answer = rekognition.associate_faces(CollectionId=collection, UserId="ben", FaceIds=[one, absent])
    assert answer["AssociatedFaces"] == []
    assert answer["UnsuccessfulFaceAssociations"] == [
        {"FaceId": one, "UserId": "ann", "Reasons": ["ASSOCIATED_TO_A_DIFFERENT_USER"]},
        {"FaceId": absent, "Reasons": ["FACE_NOT_FOUND"]},
    ]
    answer = rekognition.disassociate_faces(CollectionId=collection, UserId="ben", FaceIds=[one, absent])
    assert [face["Reasons"] for face in answer["UnsuccessfulFaceDisassociations"]] == [
        ["ASSOCIATED_TO_A_DIFFERENT_USER"],
        ["FACE_NOT_FOUND"],
    ]
    answer = rekognition.disassociate_faces(CollectionId=collection, UserId="ann", FaceIds=[one])
    assert answer["DisassociatedFaces"] == [{"FaceId": one}]
    assert answer["UserStatus"] == "ACTIVE"
    answer = rekognition.associate_faces(CollectionId=collection, UserId="ben", FaceIds=[one])
    assert answer["AssociatedFaces"] == [{"FaceId": one}]
    searched = rekognition.search_users(CollectionId=collection, UserId="ann")
    assert [match["User"]["UserId"] for match in searched["UserMatches"]] == ["ben"]
    assert searched["SearchedUser"] == {"UserId": "ann"}
    by_face = rekognition.search_users(CollectionId=collection, FaceId=one)
    assert {match["User"]["UserId"] for match in by_face["UserMatches"]} == {"ann", "ben"}
    assert by_face["SearchedFace"] == {"FaceId": one}


def test_users_are_found_behind_any_number_of_faces_that_are_nobodys(
    rekognition: Any, collection: str, index: Index
) -> None:
    faces = index(*((1, number) for number in range(1, 9)))
    rekognition.create_user(CollectionId=collection, UserId="ann")
    rekognition.associate_faces(
        CollectionId=collection, UserId="ann", FaceIds=faces[7:], UserMatchThreshold=0
    )
    found = rekognition.search_users(
        CollectionId=collection, FaceId=faces[0], MaxUsers=1, UserMatchThreshold=0
    )
    assert [match["User"]["UserId"] for match in found["UserMatches"]] == ["ann"]


def test_other_faces_of_a_searched_photo_are_told(
    rekognition: Any, collection: str, index: Index, att: Photos
) -> None:
    index((1, 1))
    photo = group_photo(att, (1, 2), (2, 1))
    answer = rekognition.search_users_by_image(CollectionId=collection, Image={"Bytes": photo})
    assert [face["Reasons"] for face in answer["UnsearchedFaces"]] == [["FACE_NOT_LARGEST"]]


def test_listings_are_read_page_by_page_without_a_gap_or_a_repetition(
    rekognition: Any, collection: str, index: Index
) -> None:
    faces = index(*((person, 1) for person in range(1, 8)))
    for user in ("ann", "ben", "cid"):
        rekognition.create_user(CollectionId=collection, UserId=user)
    found = pages(rekognition.list_faces, CollectionId=collection, MaxResults=3)
    assert [len(page["Faces"]) for page in found] == [3, 3, 1]
    assert sorted(face["FaceId"] for page in found for face in page["Faces"]) == sorted(faces)
    users = pages(rekognition.list_users, CollectionId=collection, MaxResults=2)
    assert [[user["UserId"] for user in page["Users"]] for page in users] == [["ann", "ben"], ["cid"]]
    named = rekognition.list_faces(CollectionId=collection, FaceIds=faces[2:4])["Faces"]
    assert {face["FaceId"] for face in named} == set(faces[2:4])


def test_a_token_makes_a_write_happen_once(rekognition: Any, collection: str, index: Index) -> None:
    (face,) = index((1, 1))
    for _ in range(2):
        rekognition.create_user(CollectionId=collection, UserId="ann", ClientRequestToken="one")
    with pytest.raises(rekognition.exceptions.IdempotentParameterMismatchException):
        rekognition.create_user(CollectionId=collection, UserId="ben", ClientRequestToken="one")
    asked = {"CollectionId": collection, "UserId": "ann", "FaceIds": [face], "ClientRequestToken": "two"}
    first = rekognition.associate_faces(**asked)
    rekognition.disassociate_faces(CollectionId=collection, UserId="ann", FaceIds=[face])
    again = rekognition.associate_faces(**asked)
    assert first["AssociatedFaces"] == again["AssociatedFaces"] == [{"FaceId": face}]
    assert rekognition.list_faces(CollectionId=collection, UserId="ann")["Faces"] == []


def test_of_two_users_given_one_face_at_once_one_gets_it(
    rekognition: Any, collection: str, index: Index
) -> None:
    faces = index(*((1, number) for number in range(1, 5)))
    for user in ("ann", "ben"):
        rekognition.create_user(CollectionId=collection, UserId=user)

    def associate(user: str) -> dict[str, Any]:
        answer: dict[str, Any] = rekognition.associate_faces(
            CollectionId=collection, UserId=user, FaceIds=faces, UserMatchThreshold=0
        )
        return answer

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(associate, ("ann", "ben")))
    won = [len(answer["AssociatedFaces"]) for answer in answers]
    assert sorted(won) == [0, 4]
    refused = answers[won.index(0)]["UnsuccessfulFaceAssociations"]
    assert [face["Reasons"] for face in refused] == [["ASSOCIATED_TO_A_DIFFERENT_USER"]] * 4
    assert rekognition.describe_collection(CollectionId=collection)["FaceCount"] == 4


def test_the_check_of_answers_sees_what_the_service_model_does_not_have() -> None:
    shape = MODEL.operation_model("ListUsers").output_shape
    assert problems(shape, {"Users": [{"UserId": "ann", "UserStatus": "ACTIVE"}]}) == []
    assert len(problems(shape, {"Users": [{"UserId": "a b", "UserStatus": "GONE", "Age": 3}]})) == 3
    assert len(problems(shape, {"Users": {}, "Next": "x"})) == 2
