"""Photos alone, through the REST API, with real faces."""

from __future__ import annotations

import base64
import math

import httpx
import pytest

from tests.serving.conftest import Att


def test_a_photo_is_read_alike_from_multipart_raw_body_and_json(shared_api: httpx.Client, att: Att) -> None:
    photo = att[1, 1]
    multipart = shared_api.post("/v1/detect", files={"image": photo})
    raw = shared_api.post("/v1/detect", content=photo, headers={"content-type": "image/x-portable-graymap"})
    as_json = shared_api.post("/v1/detect", json={"image": base64.b64encode(photo).decode()})
    assert multipart.status_code == 200, multipart.text
    assert multipart.json() == raw.json() == as_json.json()
    assert len(multipart.json()["faces"]) == 1


def test_boxes_and_landmarks_lie_in_the_photo_and_fractions_agree_with_pixels(
    shared_api: httpx.Client, att: Att
) -> None:
    answer = shared_api.post("/v1/detect", files={"image": att[5, 3]}).json()
    width, height = answer["image"]["width"], answer["image"]["height"]
    assert (width, height) == (92, 112)
    face = answer["faces"][0]
    assert face["box_fraction"]["left"] * width == pytest.approx(face["box"]["left"], abs=0.02)
    assert face["box_fraction"]["height"] * height == pytest.approx(face["box"]["height"], abs=0.02)
    left_eye, right_eye, nose, left_mouth, right_mouth = face["landmarks"]
    assert left_eye[0] < right_eye[0]
    assert left_mouth[0] < right_mouth[0]
    assert left_eye[1] < nose[1] < left_mouth[1]
    assert all(0 <= x <= width and 0 <= y <= height for x, y in face["landmarks"])


def test_an_embedding_is_a_unit_vector_of_the_named_contract(shared_api: httpx.Client, att: Att) -> None:
    answer = shared_api.post("/v1/embeddings", files={"image": att[2, 1]}).json()
    model = shared_api.get("/v1/models").json()["items"][0]
    assert answer["model"]["contract_id"] == model["contract_id"]
    embedding = answer["faces"][0]["embedding"]
    assert len(embedding) == model["dimension"]
    assert math.fsum(value * value for value in embedding) == pytest.approx(1.0, abs=1e-5)


def test_one_person_verifies_and_two_do_not(shared_api: httpx.Client, att: Att) -> None:
    same = shared_api.post("/v1/verify", files={"image_a": att[1, 1], "image_b": att[1, 2]}).json()
    other = shared_api.post("/v1/verify", files={"image_a": att[1, 1], "image_b": att[2, 1]}).json()
    assert same["match"]
    assert not other["match"]
    assert same["match_level"] > 4 > other["match_level"]
    assert same["false_match_rate"] == pytest.approx(10 ** -same["match_level"], rel=2e-3)


def test_verification_is_symmetric_and_a_photo_equals_itself(shared_api: httpx.Client, att: Att) -> None:
    forth = shared_api.post("/v1/verify", files={"image_a": att[3, 1], "image_b": att[4, 1]}).json()
    back = shared_api.post("/v1/verify", files={"image_a": att[4, 1], "image_b": att[3, 1]}).json()
    itself = shared_api.post("/v1/verify", files={"image_a": att[3, 1], "image_b": att[3, 1]}).json()
    assert forth["cosine"] == pytest.approx(back["cosine"], abs=1e-6)
    assert itself["cosine"] == pytest.approx(1.0, abs=1e-5)


def test_the_caller_decides_the_threshold_by_cosine_or_by_rate(shared_api: httpx.Client, att: Att) -> None:
    files = {"image_a": att[1, 1], "image_b": att[1, 2]}
    strict = shared_api.post("/v1/verify", files=files, params={"threshold": 0.999}).json()
    assert not strict["match"]
    assert strict["threshold"] == 0.999
    loose = shared_api.post("/v1/verify", files=files, params={"max_fmr": 1e-2}).json()
    tight = shared_api.post("/v1/verify", files=files, params={"max_fmr": 1e-5}).json()
    assert loose["threshold"] < tight["threshold"]
    both = shared_api.post("/v1/verify", files=files, params={"max_fmr": 1e-2, "threshold": 0.3})
    assert both.status_code == 422


def test_options_may_stand_in_the_query_the_form_or_the_json_but_only_once(
    shared_api: httpx.Client, att: Att
) -> None:
    photos = {"image_a": att[1, 1], "image_b": att[1, 2]}
    texts = {name: base64.b64encode(data).decode() for name, data in photos.items()}
    answers = [
        shared_api.post("/v1/verify", files=photos, params={"threshold": 0.5}),
        shared_api.post("/v1/verify", files=photos, data={"threshold": "0.5"}),
        shared_api.post("/v1/verify", json={**texts, "threshold": 0.5}),
    ]
    assert answers[0].json() == answers[1].json() == answers[2].json()
    twice = shared_api.post("/v1/verify", files=photos, data={"threshold": "0.5"}, params={"threshold": 0.5})
    assert twice.status_code == 422


def test_a_batch_of_clients_at_once_gets_the_answers_of_clients_one_by_one(
    shared_api: httpx.Client, att: Att
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    photos = [att[person, 1] for person in range(1, 13)]

    def embed(photo: bytes) -> list[float]:
        answer = shared_api.post("/v1/embeddings", files={"image": photo})
        assert answer.status_code == 200, answer.text
        return list(answer.json()["faces"][0]["embedding"])

    one_by_one = [embed(photo) for photo in photos]
    with ThreadPoolExecutor(6) as pool:
        at_once = list(pool.map(embed, photos))
    for alone, together in zip(one_by_one, at_once, strict=True):
        assert together == pytest.approx(alone, abs=1e-5)
