"""What stands before the routes: keys and scopes, foreign pages, limits, overload, settings that will not start."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from serving.client import ApiFailure, Client
from serving.scopes import Scope
from serving.settings import SettingsError, read_settings
from tests.serving.conftest import Att, Opened


def test_without_keys_the_service_will_not_listen_to_strangers() -> None:
    with pytest.raises(SettingsError, match="loopback"):
        read_settings(host="0.0.0.0", auth="off")
    assert read_settings(host="0.0.0.0").keys_required
    assert not read_settings(host="127.0.0.1").keys_required


def test_a_wrong_setting_is_named_with_its_value() -> None:
    with pytest.raises(SettingsError, match="COCIRCLE_PORT='many'"):
        read_settings(port="many")


def test_the_first_key_is_shown_once_and_works(
    opened: Callable[..., Opened], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    service = opened(auth="on")
    shown = re.search(r"cck_\S+", capsys.readouterr().err)
    assert shown is not None
    assert service.http.get("/v1/collections").status_code == 401
    answer = service.http.get("/v1/collections", headers={"Authorization": f"Bearer {shown[0]}"})
    assert answer.status_code == 200
    service.service.close()
    opened(auth="on")
    assert "cck_" not in capsys.readouterr().err


def test_an_address_that_sends_many_wrong_keys_is_slowed_and_its_right_keys_are_not(
    opened: Callable[..., Opened],
) -> None:
    guarded = opened(auth="on")
    wrong = {"X-Api-Key": "cck_0_0"}
    told = [guarded.http.get("/v1/models", headers=wrong) for _ in range(60)]
    assert {one.status_code for one in told[:20]} == {401}
    refused = [one for one in told if one.status_code == 429]
    assert len(refused) > 20
    assert refused[0].json()["error"]["code"] == "rate_limited"
    assert refused[0].headers["Retry-After"] == "1"
    right = {"X-Api-Key": guarded.service.keys.create("", Scope.READ)}
    assert guarded.http.get("/v1/models", headers=right).status_code == 200


def test_a_service_wide_rate_holds_for_keys_without_one_of_their_own(opened: Callable[..., Opened]) -> None:
    guarded = opened(auth="on", rate=1000.0)
    key = {"X-Api-Key": guarded.service.keys.create("", Scope.READ)}
    assert guarded.http.get("/v1/models", headers=key).headers["RateLimit-Limit"] == "2000"


def test_a_page_of_another_origin_is_refused(api: httpx.Client) -> None:
    assert api.get("/v1/system", headers={"Origin": "https://evil.example"}).status_code == 403
    assert api.get("/v1/system", headers={"Origin": "null"}).status_code == 403
    assert api.get("/v1/system", headers={"Origin": "http://localhost"}).status_code == 200


def test_a_rebound_name_does_not_reach_a_service_without_keys(opened: Callable[..., Opened]) -> None:
    api = opened(allowed_hosts=("faces.internal",)).http
    assert api.get("/v1/system", headers={"Host": "evil.example"}).status_code == 403
    assert api.get("/v1/system", headers={"Host": "faces.internal:8080"}).status_code == 200


def test_a_body_over_the_limit_is_refused_announced_or_not(opened: Callable[..., Opened]) -> None:
    api = opened(max_body_bytes=10_000).http
    announced = api.post("/v1/detect", content=b"x" * 10_001, headers={"content-type": "image/png"})

    def chunks() -> Iterator[bytes]:
        for _ in range(3):
            yield b"x" * 5_000

    streamed = api.post("/v1/detect", content=chunks(), headers={"content-type": "image/png"})
    for answer in (announced, streamed):
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


def test_more_images_than_allowed_are_refused(opened: Callable[..., Opened], att: Att) -> None:
    api = opened(max_images=2).http
    api.post("/v1/collections", json={"id": "c"})
    files = [("image", att[1, number]) for number in (1, 2, 3)]
    answer = api.post("/v1/collections/c/persons/p/faces", files=files, params={"create": True})
    assert answer.status_code in (400, 413, 422)
    assert api.get("/v1/collections/c").json()["persons"] == 0


def test_every_answer_carries_its_id_and_safe_headers(api: httpx.Client) -> None:
    given = api.get("/livez", headers={"x-request-id": "door-17"})
    assert given.headers["x-request-id"] == "door-17"
    forged = api.get("/livez", headers={"x-request-id": "a b"})
    assert re.fullmatch(r"[0-9a-f]{16}", forged.headers["x-request-id"])
    assert forged.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in forged.headers["content-security-policy"]


def test_the_log_tells_the_route_and_never_who(
    opened: Callable[..., Opened], att: Att, capsys: pytest.CaptureFixture[str]
) -> None:
    from serving.logs import start_logging

    start_logging("info")
    api = opened().http
    api.post("/v1/collections", json={"id": "clinic-patients"})
    path = "/v1/collections/clinic-patients/persons/jane.doe/faces"
    api.post(path, files={"image": att[1, 1]}, params={"create": True, "name": "Jane"})
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    routes = [json.loads(line)["route"] for line in lines if json.loads(line)["event"] == "request"]
    assert "/v1/collections/{collection}/persons/{person}/faces" in routes
    assert not any("jane" in line.lower() or "clinic" in line for line in lines)


def test_the_client_waits_as_asked_and_sends_again_only_what_cannot_write_twice() -> None:
    answers = iter(
        [httpx.Response(429, headers={"Retry-After": "3"}), httpx.Response(503), httpx.Response(200)]
    )
    sent: list[httpx.Request] = []

    def transport(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        answer = next(answers)
        if answer.status_code == 200:
            return httpx.Response(200, json={"items": []})
        return answer

    waits: list[float] = []
    with Client("http://x", transport=httpx.MockTransport(transport), wait=waits.append) as client:
        assert client.models().items == []
        assert waits == [3.0, 1.0]
        answers = iter([httpx.Response(503)])
        sent.clear()
        with pytest.raises(ApiFailure):
            client.create_collection("c")
    assert len(sent) == 1
