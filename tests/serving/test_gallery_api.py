"""Collections, persons, faces and searches through the REST API, with real faces."""

from __future__ import annotations

import math
from collections.abc import Callable

import httpx
import pytest

from tests.serving.conftest import Att, Opened


def enrol(api: httpx.Client, person: str, *photos: bytes, **params: object) -> httpx.Response:
    files = [("image", photo) for photo in photos]
    return api.post(f"/v1/collections/staff/persons/{person}/faces", files=files, params=params)  # type: ignore[arg-type]


@pytest.fixture
def staff(api: httpx.Client) -> httpx.Client:
    assert api.post("/v1/collections", json={"id": "staff"}).status_code == 201
    return api


def test_an_enrolled_person_is_found_and_a_stranger_is_unknown(staff: httpx.Client, att: Att) -> None:
    for person in range(1, 6):
        answer = enrol(staff, f"p{person}", att[person, 1], att[person, 2], att[person, 3], create=True)
        assert answer.status_code == 201, answer.text
        assert len(answer.json()["enrolled"]) == 3
    mate = staff.post("/v1/collections/staff/identify", files={"image": att[3, 7]}).json()
    assert [hit["person_id"] for hit in mate["faces"][0]["candidates"]] == ["p3"]
    assert mate["gallery_size"] == 5
    stranger = staff.post("/v1/collections/staff/identify", files={"image": att[20, 1]}).json()
    assert stranger["faces"][0]["candidates"] == []


def test_candidates_come_best_first_and_respect_limit_and_threshold(staff: httpx.Client, att: Att) -> None:
    for person in range(1, 6):
        enrol(staff, f"p{person}", att[person, 1], create=True)
    options = {"threshold": -1, "limit": 3}
    hits = staff.post("/v1/collections/staff/identify", files={"image": att[2, 2]}, params=options).json()
    cosines = [hit["cosine"] for hit in hits["faces"][0]["candidates"]]
    assert len(cosines) == 3
    assert cosines == sorted(cosines, reverse=True)
    options = {"threshold": cosines[1], "limit": 3}
    fewer = staff.post("/v1/collections/staff/identify", files={"image": att[2, 2]}, params=options).json()
    assert all(hit["cosine"] >= cosines[1] - 1e-6 for hit in fewer["faces"][0]["candidates"])


def test_the_false_match_rate_of_a_search_grows_with_the_gallery(staff: httpx.Client, att: Att) -> None:
    enrol(staff, "p1", att[1, 1], create=True)
    small = staff.post("/v1/collections/staff/identify", files={"image": att[1, 2]}).json()
    for person in range(2, 9):
        enrol(staff, f"p{person}", att[person, 1], create=True)
    large = staff.post("/v1/collections/staff/identify", files={"image": att[1, 2]}).json()
    assert large["threshold"] > small["threshold"]
    rate = [answer["faces"][0]["candidates"][0]["false_match_rate"] for answer in (small, large)]
    assert rate[1] == pytest.approx(8 * rate[0], rel=1e-3)


def test_a_person_is_verified_against_the_mean_of_their_samples(staff: httpx.Client, att: Att) -> None:
    enrol(staff, "p1", att[1, 1], att[1, 2], att[1, 3], create=True)
    yes = staff.post("/v1/collections/staff/persons/p1/verify", files={"image": att[1, 8]}).json()
    no = staff.post("/v1/collections/staff/persons/p1/verify", files={"image": att[2, 8]}).json()
    assert yes["match"]
    assert not no["match"]


def test_a_deleted_person_is_never_found_again(staff: httpx.Client, att: Att) -> None:
    enrol(staff, "p1", att[1, 1], create=True)
    assert staff.delete("/v1/collections/staff/persons/p1").status_code == 204
    found = staff.post("/v1/collections/staff/identify", files={"image": att[1, 1]}, params={"threshold": -1})
    assert found.json()["faces"][0]["candidates"] == []
    assert staff.get("/v1/collections/staff/persons/p1").status_code == 404


def test_deleting_the_odd_sample_mends_the_template(staff: httpx.Client, att: Att) -> None:
    enrol(staff, "p1", att[1, 1], att[1, 2], create=True)
    before = staff.post("/v1/collections/staff/persons/p1/verify", files={"image": att[1, 5]}).json()[
        "cosine"
    ]
    odd = enrol(staff, "p1", att[30, 1]).json()["enrolled"][0]["face_id"]
    spoiled = staff.post("/v1/collections/staff/persons/p1/verify", files={"image": att[1, 5]}).json()[
        "cosine"
    ]
    assert staff.delete(f"/v1/collections/staff/persons/p1/faces/{odd}").status_code == 204
    mended = staff.post("/v1/collections/staff/persons/p1/verify", files={"image": att[1, 5]}).json()[
        "cosine"
    ]
    assert spoiled < before - 0.01
    assert mended == pytest.approx(before, abs=1e-5)


def test_merging_moves_every_face_and_leaves_one_person(staff: httpx.Client, att: Att) -> None:
    enrol(staff, "a", att[1, 1], att[1, 2], create=True)
    enrol(staff, "b:x", att[1, 3], create=True)
    merged = staff.post("/v1/collections/staff/persons/a:merge", json={"source": "b:x"})
    assert merged.status_code == 200, merged.text
    assert merged.json()["faces"] == 3
    assert staff.get("/v1/collections/staff/persons/b:x").status_code == 404


def test_one_bad_photo_of_three_is_rejected_for_itself_alone(staff: httpx.Client, att: Att) -> None:
    answer = enrol(staff, "p1", att[1, 1], b"not a photo", att[1, 2], create=True)
    assert answer.status_code == 201
    body = answer.json()
    assert [item["index"] for item in body["enrolled"]] == [0, 2]
    assert [(item["index"], item["reasons"]) for item in body["rejected"]] == [(1, ["unsupported_type"])]


def test_listings_come_in_pages_that_miss_and_repeat_nobody(staff: httpx.Client) -> None:
    ids = [f"p{number:03}" for number in range(25)]
    for person in ids:
        assert staff.post("/v1/collections/staff/persons", json={"id": person}).status_code == 201
    seen: list[str] = []
    cursor = None
    while True:
        params = {"limit": 7, **({"cursor": cursor} if cursor else {})}
        page = staff.get("/v1/collections/staff/persons", params=params).json()  # type: ignore[arg-type]
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == ids


def test_a_person_keeps_name_and_metadata_and_can_be_changed(staff: httpx.Client) -> None:
    body = {"id": "crew:7", "name": "Ada Lovelace", "metadata": {"floor": 3, "tags": ["a", "ö"]}}
    made = staff.post("/v1/collections/staff/persons", json=body).json()
    assert {key: made[key] for key in body} == body
    changed = staff.patch("/v1/collections/staff/persons/crew:7", json={"name": "Ada"}).json()
    assert changed["name"] == "Ada"
    assert changed["metadata"] == body["metadata"]


def test_a_full_collection_is_deleted_only_by_force(staff: httpx.Client, att: Att) -> None:
    enrol(staff, "p1", att[1, 1], create=True)
    refused = staff.delete("/v1/collections/staff")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "collection_not_empty")
    assert staff.delete("/v1/collections/staff", params={"force": True}).status_code == 204
    assert staff.get("/v1/collections/staff").status_code == 404


def test_a_template_round_trips_through_embeddings_enrolment_and_identification(
    staff: httpx.Client, att: Att
) -> None:
    embedded = staff.post("/v1/embeddings", files={"image": att[1, 1]}).json()
    template, contract = embedded["faces"][0]["embedding"], embedded["model"]["contract_id"]
    body = {"templates": [{"embedding": template}], "contract_id": contract, "create": True}
    assert staff.post("/v1/collections/staff/persons/p1/faces", json=body).status_code == 201
    probe = {"embedding": template, "contract_id": contract}
    hit = staff.post("/v1/collections/staff/identify", json=probe).json()["faces"][0]["candidates"][0]
    assert hit["person_id"] == "p1"
    assert hit["cosine"] == pytest.approx(1.0, abs=1e-3)


def test_best_of_samples_names_the_sample(api: httpx.Client, att: Att) -> None:
    api.post("/v1/collections", json={"id": "staff", "fusion": "samples"})
    made = enrol(api, "p1", att[1, 1], att[1, 2], create=True).json()["enrolled"]
    hit = api.post("/v1/collections/staff/identify", files={"image": att[1, 2]}).json()["faces"][0][
        "candidates"
    ]
    assert len(hit) == 1
    assert hit[0]["face_id"] == made[1]["face_id"]


def test_crops_are_kept_only_where_the_collection_asks_for_it(api: httpx.Client, att: Att) -> None:
    api.post("/v1/collections", json={"id": "staff"})
    api.post("/v1/collections", json={"id": "kept", "keep_crops": True})
    face = enrol(api, "p1", att[1, 1], create=True).json()["enrolled"][0]["face_id"]
    assert api.get(f"/v1/collections/staff/persons/p1/faces/{face}/crop").status_code == 404
    files = {"image": att[1, 1]}
    made = api.post("/v1/collections/kept/persons/p1/faces", files=files, params={"create": True}).json()
    face = made["enrolled"][0]["face_id"]
    crop = api.get(f"/v1/collections/kept/persons/p1/faces/{face}/crop")
    assert crop.status_code == 200
    again = api.post("/v1/detect", content=crop.content, headers={"content-type": "image/png"}).json()
    assert (again["image"]["width"], again["image"]["height"]) == (112, 112)


def test_the_same_write_under_one_idempotency_key_happens_once(staff: httpx.Client, att: Att) -> None:
    path = "/v1/collections/staff/persons/p1/faces"
    headers = {"Idempotency-Key": "first-visit"}
    answers = [
        staff.post(path, files={"image": att[1, 1]}, params={"create": True}, headers=headers)
        for _ in range(3)
    ]
    assert [answer.status_code for answer in answers] == [201, 201, 201]
    assert answers[0].json() == answers[1].json() == answers[2].json()
    assert "idempotency-replayed" not in answers[0].headers
    assert answers[1].headers["idempotency-replayed"] == "true"
    assert staff.get("/v1/collections/staff/persons/p1").json()["faces"] == 1
    other = staff.post(path, files={"image": att[1, 2]}, params={"create": True}, headers=headers)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_conflict")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/collections", {"id": "other"}),
        ("PATCH", "/v1/collections/staff", {"metadata": {"a": 1}}),
        ("POST", "/v1/collections/staff/persons", {"id": "new"}),
        ("PATCH", "/v1/collections/staff/persons/old", {"name": "x"}),
        ("DELETE", "/v1/collections/staff/persons/old", None),
    ],
)
def test_every_write_replays_its_answer(staff: httpx.Client, method: str, path: str, body: object) -> None:
    staff.post("/v1/collections/staff/persons", json={"id": "old"})
    headers = {"Idempotency-Key": "k"}
    first = staff.request(method, path, json=body, headers=headers)
    second = staff.request(method, path, json=body, headers=headers)
    assert first.is_success, first.text
    assert (second.status_code, second.content) == (first.status_code, first.content)
    assert second.headers["idempotency-replayed"] == "true"


def test_everything_is_there_again_after_a_restart(opened: Callable[..., Opened], att: Att) -> None:
    first = opened()
    first.http.post("/v1/collections", json={"id": "staff"})
    enrol(first.http, "p1", att[1, 1], create=True)
    revision = first.http.get("/v1/collections/staff").json()["revision"]
    first.service.close()
    second = opened().http
    assert second.get("/v1/collections/staff").json()["revision"] == revision
    hits = second.post("/v1/collections/staff/identify", files={"image": att[1, 2]}).json()
    assert hits["faces"][0]["candidates"][0]["person_id"] == "p1"


def test_ready_means_every_write_is_searchable_and_metrics_count_what_happened(
    staff: httpx.Client, att: Att
) -> None:
    enrol(staff, "p1", att[1, 1], create=True)
    staff.post("/v1/collections/staff/identify", files={"image": att[1, 2]})
    staff.post("/v1/collections/staff/identify", files={"image": att[20, 2]})
    assert staff.get("/livez").json() == {"status": "ok"}
    ready = staff.get("/readyz")
    assert (ready.status_code, ready.json()["ready"]) == (200, True)
    lines = staff.get("/metrics").text.splitlines()
    assert 'cocircle_searches_total{outcome="hit"} 1.0' in lines
    assert 'cocircle_searches_total{outcome="unknown"} 1.0' in lines
    assert 'cocircle_gallery_faces{collection="staff"} 1.0' in lines
    assert 'cocircle_revision_lag{collection="staff"} 0.0' in lines
    assert not any(math.isnan(float(line.rsplit(" ", 1)[1])) for line in lines if not line.startswith("#"))
