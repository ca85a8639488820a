"""Every route of the API against every kind of key: what each reaches, and that it changes nothing where it may not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any

import httpx
import numpy as np
import pytest
from anyio.from_thread import start_blocking_portal

from index.job_records import NewJob
from index.records import NewCollection, NewFace, NewPerson
from serving.app import create_app
from serving.limits import Limits
from serving.local import InProcessTransport
from serving.scopes import Scope
from serving.service import Service
from serving.settings import Settings


class About(Enum):
    """What a route is about, and so what a key is answered that is not granted the collection `x`."""

    NOTHING = None
    COLLECTION = (404, "unknown_collection")
    JOB = (404, "unknown_job")
    EVERYTHING = (403, "forbidden")


COLLECTION, JOB, NOTHING, EVERYTHING = About.COLLECTION, About.JOB, About.NOTHING, About.EVERYTHING
PERSON = "/v1/collections/{collection}/persons/{person}"
ROUTES = {
    ("GET", "/livez"): (None, NOTHING),
    ("GET", "/readyz"): (None, NOTHING),
    ("GET", "/metrics"): (Scope.READ, EVERYTHING),
    ("GET", "/v1/models"): (Scope.READ, NOTHING),
    ("GET", "/v1/system"): (Scope.READ, NOTHING),
    ("POST", "/v1/detect"): (Scope.READ, NOTHING),
    ("POST", "/v1/verify"): (Scope.READ, NOTHING),
    ("POST", "/v1/embeddings"): (Scope.READ, NOTHING),
    ("GET", "/v1/collections"): (Scope.READ, NOTHING),
    ("POST", "/v1/collections"): (Scope.ADMIN, EVERYTHING),
    ("GET", "/v1/collections/{collection}"): (Scope.READ, COLLECTION),
    ("PATCH", "/v1/collections/{collection}"): (Scope.ADMIN, COLLECTION),
    ("DELETE", "/v1/collections/{collection}"): (Scope.ADMIN, COLLECTION),
    ("POST", "/v1/collections/{collection}/identify"): (Scope.READ, COLLECTION),
    ("GET", "/v1/collections/{collection}/persons"): (Scope.READ, COLLECTION),
    ("POST", "/v1/collections/{collection}/persons"): (Scope.ENROL, COLLECTION),
    ("GET", PERSON): (Scope.READ, COLLECTION),
    ("PATCH", PERSON): (Scope.ENROL, COLLECTION),
    ("DELETE", PERSON): (Scope.ENROL, COLLECTION),
    ("POST", PERSON + ":merge"): (Scope.ENROL, COLLECTION),
    ("POST", PERSON + "/verify"): (Scope.READ, COLLECTION),
    ("GET", PERSON + "/faces"): (Scope.READ, COLLECTION),
    ("POST", PERSON + "/faces"): (Scope.ENROL, COLLECTION),
    ("DELETE", PERSON + "/faces/{face}"): (Scope.ENROL, COLLECTION),
    ("GET", PERSON + "/faces/{face}/crop"): (Scope.READ, COLLECTION),
    ("GET", "/v1/jobs"): (Scope.READ, NOTHING),
    ("POST", "/v1/jobs"): (Scope.ENROL, COLLECTION),
    ("GET", "/v1/jobs:kinds"): (Scope.READ, NOTHING),
    ("GET", "/v1/jobs/{job}"): (Scope.READ, JOB),
    ("DELETE", "/v1/jobs/{job}"): (Scope.ENROL, JOB),
    ("GET", "/v1/jobs/{job}/items"): (Scope.READ, JOB),
    ("POST", "/v1/jobs/{job}/items"): (Scope.ENROL, JOB),
    ("GET", "/v1/jobs/{job}/findings"): (Scope.READ, JOB),
    ("GET", "/v1/jobs/{job}/result"): (Scope.READ, JOB),
    ("POST", "/v1/jobs/{job}:start"): (Scope.ENROL, JOB),
    ("POST", "/v1/jobs/{job}:cancel"): (Scope.ENROL, JOB),
    ("POST", "/v1/jobs/{job}:resume"): (Scope.ENROL, JOB),
    ("GET", "/v1/keys"): (Scope.ADMIN, EVERYTHING),
    ("POST", "/v1/keys"): (Scope.ADMIN, EVERYTHING),
    ("DELETE", "/v1/keys/{key}"): (Scope.ADMIN, EVERYTHING),
    ("GET", "/v1/audit"): (Scope.ADMIN, EVERYTHING),
    ("GET", "/v1/audit:export"): (Scope.ADMIN, EVERYTHING),
}
BODIES = {
    ("POST", "/v1/collections"): {"id": "x"},
    ("POST", "/v1/jobs"): {"kind": "export", "collection": "x"},
    ("POST", "/v1/keys"): {"name": "made by the matrix", "scope": "admin"},
    ("PATCH", PERSON): {"name": "changed"},
    ("PATCH", "/v1/collections/{collection}"): {"metadata": {"changed": True}},
    ("POST", "/v1/collections/{collection}/persons"): {"id": "q"},
}
ORDER = [Scope.READ, Scope.ENROL, Scope.ADMIN]
NOBODY = {"collection": "y", "person": "p", "face": "f" * 32, "job": "0" * 32, "key": "00000000"}


@dataclass
class Guarded:
    """A service with keys on that holds one collection `x`; keys by what they are."""

    http: httpx.Client
    service: Service
    keys: dict[str, str]
    held: dict[str, str]

    def ask(
        self, route: tuple[str, str], key: str | None, held: dict[str, str] | None = None
    ) -> httpx.Response:
        method, template = route
        path = template.format(**(self.held if held is None else held))
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        body = BODIES.get(route)
        return self.http.request(method, path, headers=headers, json=body)

    def state(self) -> Any:
        """All that a refused request must leave as it is."""
        gallery, found = self.service.gallery, self.service.gallery.collection("x")
        persons = [(one.id, one.name, one.faces) for one in gallery.persons("x")]
        job = gallery.jobs.get(self.held["job"])
        keys = [(key.id, key.scope) for key in self.service.keys.all()]
        return found.revision, found.metadata, persons, job, keys, [one.id for one in gallery.collections()]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    settings = Settings(home=tmp_path_factory.mktemp("guarded"), auth="on")
    service = replace(Service.open(settings), limits=Limits(wrong_keys_at_once=1e6))
    with ExitStack() as stack:
        stack.callback(service.close)
        gallery, pack = service.gallery, service.pack
        gallery.create_collection(NewCollection("x", pack.contract_id, pack.dimension))
        new = NewFace(np.ones(pack.dimension))
        made = gallery.add_faces("x", "p", [new], contract_id=pack.contract_id, create_person=NewPerson("p"))
        job = gallery.jobs.create(NewJob("export", "x", "somebody", {"crops": True}))
        ring = service.keys
        spare = ring.create("", Scope.READ).split("_")[1]
        held = {"collection": "x", "person": "p", "face": made.faces[0].id, "job": job.id, "key": spare}
        keys = {scope.value: ring.create("", scope) for scope in Scope}
        keys["wrong"] = keys["admin"][:-1] + ("A" if keys["admin"][-1] != "A" else "B")
        keys["malformed"] = "cck_0_0"
        keys["expired"] = ring.create("", Scope.ADMIN, expires_at=datetime.now(UTC) - timedelta(seconds=1))
        keys["revoked"] = ring.create("", Scope.ADMIN)
        assert ring.revoke(keys["revoked"].split("_")[1])
        keys["elsewhere"] = ring.create("", Scope.ADMIN, collections=["elsewhere", "y-*", "y"])
        keys["granted"] = ring.create("", Scope.ADMIN, collections=["x"])
        portal = stack.enter_context(start_blocking_portal())
        transport = InProcessTransport(create_app(settings, service), portal)
        http = stack.enter_context(httpx.Client(base_url="http://service", transport=transport, timeout=60))
        yield Guarded(http, service, keys, held)


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def test_every_route_of_the_api_is_in_the_matrix(guarded: Guarded) -> None:
    paths = guarded.http.get("/v1/openapi.json").json()["paths"]
    assert {(method.upper(), path) for path, item in paths.items() for method in item} == set(ROUTES)


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_without_a_valid_key_nothing_is_reached(guarded: Guarded, route: tuple[str, str]) -> None:
    before = guarded.state()
    for key in (None, "wrong", "malformed", "revoked", "expired"):
        answer = guarded.ask(route, None if key is None else guarded.keys[key])
        if ROUTES[route][0] is None:
            assert answer.status_code == 200
        else:
            assert code(answer) == (401, "unauthorized"), key
    assert guarded.state() == before


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_a_key_reaches_what_its_scope_covers_and_no_more(guarded: Guarded, route: tuple[str, str]) -> None:
    needed = ROUTES[route][0]
    before = guarded.state()
    for scope in ORDER:
        if needed is None or ORDER.index(scope) >= ORDER.index(needed):
            continue
        assert code(guarded.ask(route, guarded.keys[scope.value])) == (403, "forbidden")
    assert guarded.state() == before
    for scope in ORDER:
        if needed is None or ORDER.index(scope) >= ORDER.index(needed):
            reached = guarded.ask(route, guarded.keys[scope.value], NOBODY)
            # Making a job of a kind that needs `admin` is refused when its kind is known.
            kind_needs_admin = route == ("POST", "/v1/jobs") and scope is not Scope.ADMIN
            assert (reached.status_code in (401, 403)) == kind_needs_admin, reached.text


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_an_administrators_key_without_the_grant_reaches_nothing_of_the_collection(
    guarded: Guarded, route: tuple[str, str]
) -> None:
    about = ROUTES[route][1]
    before = guarded.state()
    answer = guarded.ask(route, guarded.keys["elsewhere"])
    if about.value is None:
        assert answer.status_code not in (401, 403, 404)
        assert '"x"' not in answer.text
    else:
        assert code(answer) == about.value
    assert guarded.state() == before


def test_what_is_not_granted_is_told_as_what_is_not_there(guarded: Guarded) -> None:
    absent = dict(guarded.held, collection="z", job="0" * 32)
    for route, (_, about) in ROUTES.items():
        if about is COLLECTION or about is JOB:
            if route in BODIES and "collection" in BODIES[route]:
                continue
            hidden = guarded.ask(route, guarded.keys["elsewhere"]).json()["error"]
            missing = guarded.ask(route, guarded.keys["elsewhere"], absent).json()["error"]
            wanted = re.sub("'z'", "'x'", missing["message"]).replace("0" * 32, guarded.held["job"])
            assert (hidden["code"], hidden["message"], hidden["details"]) == (
                missing["code"],
                wanted,
                missing["details"],
            ), route


def test_a_key_with_the_grant_reaches_the_collection_and_its_jobs_alone(guarded: Guarded) -> None:
    key = guarded.keys["granted"]
    assert guarded.ask(("GET", PERSON), key).json()["id"] == "p"
    assert guarded.ask(("GET", "/v1/jobs/{job}"), key).json()["id"] == guarded.held["job"]
    jobs = guarded.ask(("GET", "/v1/jobs"), key).json()["items"]
    assert guarded.held["job"] in [job["id"] for job in jobs]
    assert {job["collection"] for job in jobs} == {"x"}
    assert [one["id"] for one in guarded.ask(("GET", "/v1/collections"), key).json()["items"]] == ["x"]


def test_a_limited_key_makes_no_job_that_names_no_collection(guarded: Guarded) -> None:
    body = {"kind": "import", "open": True}
    headers = {"Authorization": f"Bearer {guarded.keys['granted']}"}
    assert code(guarded.http.post("/v1/jobs", json=body, headers=headers)) == (403, "forbidden")


def test_pages_of_a_limited_key_hold_every_granted_collection_once(guarded: Guarded) -> None:
    gallery, pack = guarded.service.gallery, guarded.service.pack
    for number in range(7):
        for prefix in ("y-", "not-y-"):
            gallery.create_collection(NewCollection(f"{prefix}{number}", pack.contract_id, pack.dimension))
    headers = {"Authorization": f"Bearer {guarded.keys['elsewhere']}"}
    found: list[str] = []
    cursor = None
    while True:
        params = {"limit": 3} | ({} if cursor is None else {"cursor": cursor})
        page = guarded.http.get("/v1/collections", params=params, headers=headers).json()
        found += [one["id"] for one in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert found == [f"y-{number}" for number in range(7)]


def test_a_key_made_over_the_api_is_what_was_asked_for_until_it_is_revoked(guarded: Guarded) -> None:
    admin = {"Authorization": f"Bearer {guarded.keys['admin']}"}
    asked = {
        "name": "gate",
        "scope": "read",
        "collections": ["x"],
        "rate": 5,
        "expires_at": "2100-01-01T00:00:00Z",
    }
    made = guarded.http.post("/v1/keys", json=asked, headers=admin)
    assert made.status_code == 201
    key = made.json().pop("key")
    listed = guarded.http.get("/v1/keys", headers=admin)
    assert {name: made.json()[name] for name in asked} == asked
    assert key not in listed.text
    assert made.json()["id"] in [one["id"] for one in listed.json()["items"]]
    with_it = {"Authorization": f"Bearer {key}"}
    answer = guarded.http.get("/v1/collections/x", headers=with_it)
    assert answer.status_code == 200
    assert (answer.headers["RateLimit-Limit"], answer.headers["RateLimit-Remaining"]) == ("10", "9")
    assert guarded.http.delete(f"/v1/keys/{made.json()['id']}", headers=admin).status_code == 204
    assert guarded.http.get("/v1/collections/x", headers=with_it).status_code == 401
    again = guarded.http.delete(f"/v1/keys/{made.json()['id']}", headers=admin)
    assert code(again) == (404, "unknown_key")


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"scope": "root"},
        {"scope": "read", "collections": []},
        {"scope": "read", "collections": ["a/b"]},
        {"scope": "read", "rate": 0},
        {"scope": "read", "expires_at": "2001-01-01T00:00:00Z"},
        {"scope": "read", "expires_at": "2100-01-01T00:00:00"},
        {"scope": "read", "hash": "0" * 64},
    ],
)
def test_a_key_that_cannot_be_is_refused(guarded: Guarded, wrong: dict[str, Any]) -> None:
    admin = {"Authorization": f"Bearer {guarded.keys['admin']}"}
    before = guarded.state()
    assert code(guarded.http.post("/v1/keys", json=wrong, headers=admin)) == (422, "invalid_request")
    assert guarded.state() == before


def test_no_answer_that_holds_a_key_is_kept(guarded: Guarded) -> None:
    admin = {"Authorization": f"Bearer {guarded.keys['admin']}", "Idempotency-Key": "once"}
    refused = guarded.http.post("/v1/keys", json={"scope": "read"}, headers=admin)
    assert code(refused) == (422, "invalid_request")


def test_a_key_that_asks_too_often_is_told_when_to_come_back(guarded: Guarded) -> None:
    slow = {"Authorization": f"Bearer {guarded.service.keys.create('', Scope.READ, rate=0.001)}"}
    assert guarded.http.get("/v1/models", headers=slow).status_code == 200
    refused = guarded.http.get("/v1/models", headers=slow)
    assert code(refused) == (429, "rate_limited")
    assert 900 < int(refused.headers["Retry-After"]) <= 1000
    assert refused.headers["RateLimit-Remaining"] == "0"
