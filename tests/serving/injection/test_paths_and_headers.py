"""What an attacker puts into paths and headers: refused in words, or kept as plain data."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from urllib.parse import quote

import httpx
import pytest

from tests.serving.conftest import ServiceProcess
from tests.serving.injection.kit import CLOSED, JSON, MARK, PERSONS, Served, refused


@pytest.mark.parametrize(
    "target",
    [
        "/v1/collections/..%2fkeys",
        "/v1/collections/staff%2Fpersons",
        f"/v1/collections/%2e%2e%2f%2e%2e%2f{MARK}",
        "/assets/..%2f..%2fsettings.py",
        "/assets/%2e%2e/app.py",
        "/assets/..%5c..%5capp.py",
        "/assets//etc/passwd",
        "/v1/../v1/collections/staff",
        "/v1/./collections/staff",
        "//v1/collections/staff",
        "/v1//collections/staff",
        "/v1/collections/staff/",
        "/v1/collections/staff/persons/..",
        f"/v1/collections/%00{MARK}",
        f"/v1/collections/staff%00{MARK}",
        "/v1/collections/%c0%ae%c0%ae",
        "/v1/collections/%ff%fe",
        f"/v1/collections/{MARK * 700}",
        f"/v1/jobs/{MARK}:start",
        f"{PERSONS}/{MARK}%0d%0aSet-Cookie:%20a=b",
        f"http://example.org/v1/collections/{MARK}",
    ],
)
def test_a_path_that_leads_elsewhere_leads_nowhere(served: Served, target: str) -> None:
    for method in ("GET", "DELETE"):
        status, answer = served.get(target, method=method)
        assert status in (404, 405), answer
        head, _, body = answer.partition("\r\n\r\n")
        assert json.loads(body)["error"]["code"] in (
            "not_found",
            "method_not_allowed",
            "unknown_collection",
            "unknown_person",
            "unknown_job",
        )
        assert len(body) < 1000
        assert "location" not in head.lower()
        assert "set-cookie:" not in head.lower()
    assert served.http.get("/v1/collections/staff").status_code == 200


def test_a_request_line_beyond_what_the_server_reads_is_refused_by_it(served: Served) -> None:
    status, _ = served.get(f"/v1/collections/{MARK * 20_000}")
    assert status in (CLOSED, 400, 414, 431)


@pytest.mark.parametrize("id", [".", ".."])
def test_an_id_that_clients_take_for_a_step_in_the_path_is_none(served: Served, id: str) -> None:
    refused(served.http.post("/v1/collections", json={"id": id}), (422, "invalid_request"))
    refused(served.http.post(PERSONS, json={"id": id}), (422, "invalid_request"))
    merged = served.http.post(f"{PERSONS}/p1:merge", json={"source": id})
    refused(merged, (422, "invalid_request"))


@pytest.mark.parametrize(
    "id",
    [
        f"{MARK}:merge",
        f"{MARK}:merge:merge",
        f":{MARK}",
        f"{MARK}%2Fx",
        f"{MARK} ?&#=+;",
        f"..{MARK}",
        f"{MARK}\\..\\x",
        f"e\u0301{MARK}",
        f"\u00e9{MARK}",
        f"\u202e{MARK}\u200b",
        f"\U0001f600{MARK}",
        f"<script>{MARK}<",
    ],
)
def test_a_strange_id_is_that_persons_alone_in_every_route(served: Served, id: str) -> None:
    path = f"{PERSONS}/{quote(id, safe='')}"
    made = served.http.post(PERSONS, json={"id": id, "name": "one"})
    assert (made.status_code, made.json()["id"]) == (201, id)
    assert served.http.get(path).json()["id"] == id
    assert served.http.patch(path, json={"name": "two"}).json()["name"] == "two"
    assert served.http.get(f"{path}/faces").json()["items"] == []
    assert served.http.post(PERSONS, json={"id": f"{id}-twin"}).status_code == 201
    assert served.http.post(f"{path}:merge", json={"source": f"{id}-twin"}).json()["id"] == id
    assert served.http.delete(path).status_code == 204
    refused(served.http.get(path), (404, "unknown_person"))


def test_a_name_that_ends_like_an_action_is_no_action(served: Served) -> None:
    for id in ("ada", "ada:merge", "bob"):
        assert served.http.post(PERSONS, json={"id": id}).status_code == 201
    assert served.http.post(f"{PERSONS}/ada:merge:merge", json={"source": "bob"}).json()["id"] == "ada:merge"
    assert served.http.get(f"{PERSONS}/ada").status_code == 200
    assert served.http.delete(f"{PERSONS}/ada:merge").status_code == 204
    assert served.http.get(f"{PERSONS}/ada").status_code == 200
    refused(served.http.get(f"{PERSONS}/bob"), (404, "unknown_person"))


@pytest.mark.parametrize("name", ["x-request-id", "idempotency-key", "x-api-key", "cookie", "accept"])
@pytest.mark.parametrize("value", [f"a\rSet-Cookie: {MARK}", f"a\0{MARK}", f"a\n {MARK}: b"])
def test_a_header_with_a_line_break_makes_no_other_header(served: Served, name: str, value: str) -> None:
    status, answer = served.get("/livez", f"{name}: {value}")
    assert status in (200, 400)
    assert MARK not in answer


@pytest.mark.parametrize("value", [f"{MARK} x", f"<{MARK}>", MARK * 10, "", f"{MARK}\u00e9"])
def test_a_request_id_that_is_none_is_replaced(served: Served, value: str) -> None:
    _, answer = served.get("/livez", f"X-Request-Id: {value}")
    assert re.search(r"^x-request-id: [0-9a-f]{16}\r?$", answer, re.MULTILINE), answer
    assert MARK not in answer


def test_headers_beyond_what_the_server_reads_are_refused_by_it(served: Served) -> None:
    status, _ = served.get("/livez", f"X-Long: {MARK * 20_000}")
    assert status in (CLOSED, 400, 431)


@pytest.mark.parametrize(
    "host",
    [
        f"{MARK}.example",
        f"localhost@{MARK}.example",
        f"localhost.{MARK}",
        f"[{MARK}",
        "",
        "localhost, evil",
        None,
    ],
)
def test_a_foreign_host_is_not_answered_while_keys_are_off(served: Served, host: str | None) -> None:
    status, answer = served.get("/v1/system", host=host)
    assert status in (400, 403), answer
    assert MARK not in answer


def test_two_hosts_are_not_answered(served: Served) -> None:
    assert served.get("/v1/system", "Host: localhost")[0] in (400, 403)


def test_no_header_says_where_the_service_is(served: Served) -> None:
    lines = [
        f"X-Forwarded-Host: {MARK}",
        f"X-Forwarded-Proto: {MARK}",
        f"Forwarded: host={MARK}",
        "X-Original-URL: /v1/keys",
    ]
    for target in ("/v1/system", "/v1/collections/", "/"):
        _, answer = served.get(target, *lines, f"X-Rewrite-URL: /{MARK}", f"X-HTTP-Method-Override: {MARK}")
        assert MARK not in answer
    body = '{"kind": "export", "collection": "staff"}'
    made = served.raw(
        f"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-Host: {MARK}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()
    )[1]
    assert re.search(r"^location: /v1/jobs/[0-9a-f]{32}\r?$", made, re.MULTILINE | re.IGNORECASE), made


def test_a_header_makes_nobody_another_address(service_process: Callable[..., ServiceProcess]) -> None:
    process = service_process(COCIRCLE_AUTH="on")
    with httpx.Client(base_url=process.url, timeout=60) as http:
        told = [
            http.get("/v1/models", headers={"X-Api-Key": "cck_0_0", "X-Forwarded-For": f"10.0.0.{number}"})
            for number in range(60)
        ]
    assert {one.status_code for one in told[:20]} == {401}
    assert sum(one.status_code == 429 for one in told) > 20


@pytest.mark.parametrize("key", ["", f"{MARK} x", MARK * 40, f"{MARK}\u00e9"])
def test_an_idempotency_key_outside_of_the_alphabet_is_refused(served: Served, key: str) -> None:
    headers = {**JSON, "Idempotency-Key": key.encode("latin-1")}
    answer = served.http.post(PERSONS, content=b'{"id": "keyed"}', headers=headers)  # type: ignore[arg-type]
    message = refused(answer, (422, "invalid_request"))
    assert MARK not in message
    refused(served.http.get(f"{PERSONS}/keyed"), (404, "unknown_person"))


@pytest.mark.parametrize("method", [MARK, "TRACE", "CONNECT", "get", "PROPFIND"])
def test_a_method_that_is_none_is_counted_as_any_other(served: Served, method: str) -> None:
    status, answer = served.get("/v1/collections", method=method)
    assert status in (400, 404, 405)
    if status == 405:
        assert re.search(r"^allow: GET, POST\r?$", answer, re.MULTILINE | re.IGNORECASE), answer
