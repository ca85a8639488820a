"""JSON that readers read differently; types, names and numbers that reach too far.."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.serving.injection.kit import JSON, MARK, PERSONS, Served, refused


@pytest.mark.parametrize(
    "body",
    [
        "[" * 100_000,
        '{"id":' * 5_000,
        '{"id": "a", "id": "b"}',
        '{"id": "a", "metadata": {"x": 1, "x": 2}}',
        '{"id": "a", "metadata": {"list": [{"x": 1, "\\u0078": 2}]}}',
        f'{{"id": "a", "metadata": {{"n": {"9" * 5000}}}}}',
        '{"id": "a", "metadata": {"n": NaN}}',
        '{"id": "a", "metadata": {"n": Infinity}}',
        '{"id": "a", "name": "\\ud800"}',
        '{"id": "a", "metadata": {"\\udfff": 1}}',
        '{"id": "a"} {"id": "b"}',
        '{"id": "a",}',
        "{'id': 'a'}",
        '{"id": "a" /* comment */}',
        '\ufeff{"id": "a"}',
        '{"id": "a", "name": "\x01"}',
        f'"{MARK}"',
    ],
)
def test_what_readers_of_json_would_read_differently_is_no_json(served: Served, body: str) -> None:
    answer = served.http.post(PERSONS, content=body.encode(), headers=JSON)
    assert MARK not in refused(answer, (400, "invalid_json"))


@pytest.mark.parametrize("number", ["1e400", "-1e400", f"1{'0' * 400}.0"])
def test_a_number_beyond_what_others_can_read_is_not_stored(served: Served, number: str) -> None:
    body = f'{{"id": "a", "metadata": {{"n": {number}}}}}'
    refused(served.http.post(PERSONS, content=body, headers=JSON), (422, "invalid_record"))
    body = f'{{"embedding": [{number}], "contract_id": "c"}}'
    answer = served.http.post("/v1/collections/staff/identify", content=body, headers=JSON)
    refused(answer, (422, "invalid_request"))


def test_a_whole_number_may_be_written_with_a_point_and_another_one_is_none(served: Served) -> None:
    def asked(limit: str) -> httpx.Response:
        body = f'{{"embedding": [1.0], "contract_id": "c", "limit": {limit}}}'
        return served.http.post("/v1/collections/staff/identify", content=body, headers=JSON)

    refused(asked("80.0"), (409, "contract_mismatch"))
    assert "limit" in refused(asked("80.5"), (422, "invalid_request"))


def test_json_in_another_encoding_is_no_json(served: Served) -> None:
    for encoded in ('{"id": "a"}'.encode("utf-16"), b'{"id": "\xff"}', b'{"id": "\xc0\xae"}'):
        refused(served.http.post(PERSONS, content=encoded, headers=JSON), (400, "invalid_json"))


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
def test_json_that_any_foreign_page_could_send_is_not_read(served: Served, kind: str) -> None:
    answer = served.http.post(PERSONS, content=b'{"id": "a"}', headers={"content-type": kind} if kind else {})
    refused(answer, (415, "unsupported_type"))


@pytest.mark.parametrize("name", ["__proto__", "constructor", "prototype", "__class__", "model_config", MARK])
def test_no_name_in_json_reaches_beyond_the_fields(served: Served, name: str) -> None:
    refused(served.http.post(PERSONS, json={"id": "a", name: {"admin": True}}), (422, "invalid_request"))
    metadata = {name: {"admin": True}}
    made = served.http.post(PERSONS, json={"id": f"meta-{name}", "metadata": metadata})
    assert made.json()["metadata"] == metadata
    assert served.http.get(f"{PERSONS}/meta-{name}").json()["metadata"] == metadata


@pytest.mark.parametrize(
    "metadata",
    [
        {"a": "\0"},
        {"\0": MARK},
        {"n": 10**400},
        {"n": 5e-324, "m": 1.7976931348623157e308, "k": -0.0},
        {"text": "\u2028</script>' OR 1=1 --"},
    ],
)
def test_metadata_comes_back_as_it_was_or_is_refused(served: Served, metadata: dict[str, Any]) -> None:
    answer = served.http.post("/v1/collections", json={"id": "held", "metadata": metadata})
    if answer.status_code != 201:
        refused(answer, (422, "invalid_record"))
        return
    assert served.http.get("/v1/collections/held").json()["metadata"] == metadata
    assert served.http.delete("/v1/collections/held").status_code == 204


def test_metadata_is_as_deep_and_as_large_as_it_may_be(served: Served) -> None:
    deep: Any = MARK
    for _ in range(150):
        deep = [deep]
    assert served.http.post(PERSONS, json={"id": "deep", "metadata": {"deep": deep}}).status_code == 201
    assert served.http.get(f"{PERSONS}/deep").json()["metadata"]["deep"] == deep
    large = {"id": "large", "metadata": {"large": MARK * 3000}}
    assert MARK not in refused(served.http.post(PERSONS, json=large), (422, "invalid_record"))


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/collections", {"id": "typed", "keep_crops": 1}),
        ("/v1/collections", {"id": "typed", "keep_crops": "yes"}),
        ("/v1/collections", {"id": 7}),
        ("/v1/collections/staff/identify", {"embedding": ["1"], "contract_id": "c"}),
        ("/v1/collections/staff/identify", {"embedding": [True], "contract_id": "c"}),
        ("/v1/collections/staff/identify", {"embedding": [1.0], "contract_id": "c", "limit": "5"}),
        ("/v1/collections/staff/identify", {"embedding": [1.0], "contract_id": "c", "limit": True}),
        ("/v1/collections/staff/identify", {"embedding": [1.0], "contract_id": "c", "threshold": "0.5"}),
        ("/v1/collections/staff/identify", {"embedding": [1.0], "contract_id": "c", "limit": 10**30}),
        ("/v1/keys", {"scope": "read", "rate": "5"}),
        ("/v1/keys", {"scope": "read", "expires_at": 4_000_000_000}),
        ("/v1/keys", {"scope": "read", "expires_at": "9999-12-31T23:59:59-12:00"}),
    ],
)
def test_in_json_nothing_is_made_of_another_type(served: Served, path: str, body: dict[str, Any]) -> None:
    refused(served.http.post(path, json=body), (422, "invalid_request"))


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_a_moment_beyond_the_calendar_is_refused(served: Served, moment: str) -> None:
    refused(served.http.get("/v1/audit", params={"since": moment}), (422, "invalid_request"))
