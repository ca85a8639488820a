"""Who gets in: botocore's own signatures pass, and nothing that was altered, is old, comes twice, or asks too much."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from anyio.from_thread import start_blocking_portal
from typer.testing import CliRunner

from serving.app import create_app
from serving.cli.keys import keys_app
from serving.local import InProcessTransport
from serving.rekognition import errors, protocol
from serving.rekognition.admission import Doorway
from serving.rekognition.credentials import access_key_id
from serving.rekognition.operation import OPERATIONS
from serving.scopes import Scope
from serving.settings import Settings
from tests.serving.conftest import Opened
from tests.serving.rekognition.signing import Pair, pair_of, signed

NOBODY = "00000000-0000-0000-0000-000000000000"


@dataclass
class Guarded:
    """A service with keys on, asked by raw requests."""

    opened: Opened
    doorway: Doorway

    def pair(self, scope: Scope = Scope.ADMIN) -> Pair:
        return pair_of(self.opened.service.keys, self.doorway.credentials, scope)

    def send(self, headers: dict[str, str], body: bytes) -> httpx.Response:
        return self.opened.http.post("/", content=body, headers=headers)

    def ask(self, pair: Pair, operation: str, body: dict[str, Any], **how: Any) -> str:
        """The refusal's name, or ok."""
        return outcome(self.send(*signed(pair, operation, body, **how)))


def outcome(answer: httpx.Response) -> str:
    assert answer.headers["content-type"] == "application/x-amz-json-1.1"
    if answer.status_code == 200:
        return "ok"
    assert answer.json()["__type"] == answer.headers["x-amzn-errortype"]
    return str(answer.json()["__type"])


@contextmanager
def opened_app(home: Path, auth: str) -> Iterator[Guarded]:
    app = create_app(Settings(home=home, auth=auth))  # type: ignore[arg-type]
    with ExitStack() as stack:
        stack.callback(app.state.service.close)
        portal = stack.enter_context(start_blocking_portal())
        transport = InProcessTransport(app, portal)
        http = stack.enter_context(httpx.Client(base_url="http://localhost", transport=transport, timeout=60))
        yield Guarded(Opened(http, app.state.service), app.state.rekognition)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """One service with keys on for all tests here; each makes keys, and collections of its own."""
    with opened_app(tmp_path_factory.mktemp("guarded"), "on") as found:
        yield found


@pytest.fixture(scope="module")
def unguarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """One service with keys off."""
    with opened_app(tmp_path_factory.mktemp("unguarded"), "off") as found:
        yield found.opened


def test_a_request_that_botocore_signed_is_answered_for_any_region(guarded: Guarded) -> None:
    pair = guarded.pair()
    assert guarded.ask(pair, "ListCollections", {}) == "ok"
    assert guarded.ask(pair, "ListCollections", {}, region="us-iso-east-1") == "ok"


def test_a_request_signed_for_another_service_is_refused(guarded: Guarded) -> None:
    assert guarded.ask(guarded.pair(), "ListCollections", {}, service="s3") == "InvalidSignatureException"


def test_an_altered_body_header_or_operation_is_refused(guarded: Guarded) -> None:
    headers, body = signed(guarded.pair(), "DescribeCollection", {"CollectionId": "a"})
    assert outcome(guarded.send(headers, body.replace(b'"a"', b'"b"'))) == "InvalidSignatureException"
    for name, value in (
        ("X-Amz-Target", "RekognitionService.ListUsers"),
        ("Host", "127.0.0.1"),
        ("X-Amz-Date", headers["X-Amz-Date"][:-2] + ("0Z" if headers["X-Amz-Date"][-2] != "0" else "1Z")),
    ):
        assert outcome(guarded.send({**headers, name: value}, body)) == "InvalidSignatureException"
    assert outcome(guarded.send(headers, body)) == "ResourceNotFoundException"


def test_the_operation_must_be_among_what_was_signed(guarded: Guarded) -> None:
    headers, body = signed(guarded.pair(), "ListCollections", {})
    unsigned = headers["Authorization"].replace(";x-amz-target", "")
    assert outcome(guarded.send({**headers, "Authorization": unsigned}, body)) == "InvalidSignatureException"


@pytest.mark.parametrize(
    ("operation", "seconds", "name"),
    [
        ("ListCollections", 880, "ok"),
        ("ListCollections", -880, "ok"),
        ("ListCollections", 920, "RequestExpired"),
        ("ListCollections", -920, "RequestExpired"),
        ("DeleteCollection", 280, "ResourceNotFoundException"),
        ("DeleteCollection", -280, "ResourceNotFoundException"),
        ("DeleteCollection", 320, "RequestExpired"),
        ("DeleteCollection", -320, "RequestExpired"),
    ],
)
def test_a_signature_holds_for_minutes_and_that_of_a_write_for_fewer(
    guarded: Guarded, operation: str, seconds: float, name: str
) -> None:
    body = {} if operation == "ListCollections" else {"CollectionId": "none"}
    assert guarded.ask(guarded.pair(), operation, body, seconds=seconds) == name


def test_a_write_that_comes_twice_is_done_once_and_a_read_may_come_again(
    guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair, now = guarded.pair(), [1e9]
    monkeypatch.setattr(guarded.doorway.replays, "_clock", lambda: now[0])
    write = signed(pair, "CreateCollection", {"CollectionId": "once"})
    assert outcome(guarded.send(*write)) == "ok"
    told = guarded.send(*write)
    assert (outcome(told), told.headers["x-amz-retry-after"]) == ("ThrottlingException", "1000")
    now[0] += 3
    assert outcome(guarded.send(*write)) == "InvalidSignatureException"
    assert guarded.ask(pair, "CreateCollection", {"CollectionId": "once"}, seconds=1) == (
        "ResourceAlreadyExistsException"
    )
    read = signed(pair, "ListCollections", {})
    assert [outcome(guarded.send(*read)) for _ in range(2)] == ["ok", "ok"]


def test_a_write_that_was_refused_may_come_again(guarded: Guarded) -> None:
    pair = guarded.pair()
    write = signed(pair, "CreateUser", {"CollectionId": "later", "UserId": "ann"})
    assert outcome(guarded.send(*write)) == "ResourceNotFoundException"
    assert guarded.ask(pair, "CreateCollection", {"CollectionId": "later"}) == "ok"
    assert outcome(guarded.send(*write)) == "ok"


def test_a_key_made_on_the_command_line_is_also_a_pair_for_aws_clients(tmp_path: Path) -> None:
    made = CliRunner().invoke(keys_app, ["create", "--scope", "read", "--home", str(tmp_path)])
    assert made.stdout.startswith("cck_")
    assert made.stdout.count("\n") == 1
    told = dict(line.split("=", 1) for line in made.stderr.splitlines())
    pair = Pair(told["AWS_ACCESS_KEY_ID"], told["AWS_SECRET_ACCESS_KEY"])
    with opened_app(tmp_path, "on") as guarded:
        assert guarded.ask(pair, "ListCollections", {}) == "ok"
        assert guarded.ask(pair, "CreateCollection", {"CollectionId": "c"}) == "AccessDeniedException"


def test_a_revoked_key_is_refused_from_the_next_request(guarded: Guarded) -> None:
    pair = guarded.pair()
    assert guarded.ask(pair, "ListCollections", {}) == "ok"
    (key,) = [one for one in guarded.opened.service.keys.all() if access_key_id(one) == pair.access]
    assert guarded.opened.service.keys.revoke(key.id)
    assert guarded.ask(pair, "ListCollections", {}) == "UnrecognizedClientException"


READS = {
    "CompareFaces",
    "DescribeCollection",
    "DetectFaces",
    "ListCollections",
    "ListFaces",
    "ListUsers",
    "SearchFaces",
    "SearchFacesByImage",
    "SearchUsers",
    "SearchUsersByImage",
}
ADMINISTERS = {"CreateCollection", "DeleteCollection"}


def test_each_scope_does_what_it_covers_and_no_more(guarded: Guarded) -> None:
    assert len(OPERATIONS) == 18
    for scope in Scope:
        pair = guarded.pair(scope)
        denied = {
            name for name in OPERATIONS if guarded.ask(pair, name, {"Nonsense": 1}) == "AccessDeniedException"
        }
        allowed = {
            Scope.READ: READS,
            Scope.ENROL: OPERATIONS.keys() - ADMINISTERS,
            Scope.ADMIN: OPERATIONS.keys(),
        }[scope]
        assert OPERATIONS.keys() - denied == allowed


def test_without_a_signature_nothing_is_told(guarded: Guarded) -> None:
    headers, body = signed(guarded.pair(), "ListCollections", {})
    del headers["Authorization"]
    assert outcome(guarded.send(headers, body)) == "MissingAuthenticationTokenException"
    bearer = {**headers, "Authorization": "Bearer cck_00000000_x"}
    assert outcome(guarded.send(bearer, body)) == "IncompleteSignatureException"
    query = guarded.opened.http.post("/?X-Amz-Signature=" + "0" * 64, content=body, headers=headers)
    assert outcome(query) == "IncompleteSignatureException"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA512"),
        ("Credential=", "Credentials="),
        ("/rekognition/", "/"),
        ("SignedHeaders=", "SignedHeaders=Host;"),
        ("Signature=", "Signature=zz"),
        (", Signature=", ", Signature=00, Signature="),
    ],
)
def test_a_malformed_authorization_header_is_refused_in_words(guarded: Guarded, old: str, new: str) -> None:
    headers, body = signed(guarded.pair(), "ListCollections", {})
    altered = {**headers, "Authorization": headers["Authorization"].replace(old, new)}
    assert outcome(guarded.send(altered, body)) == "IncompleteSignatureException"


def test_a_date_that_is_none_is_refused(guarded: Guarded) -> None:
    headers, body = signed(guarded.pair(), "ListCollections", {})
    day = headers["X-Amz-Date"][:8]
    for date in ("", "yesterday", day + "T256000Z"):
        assert outcome(guarded.send({**headers, "X-Amz-Date": date}, body)) == "IncompleteSignatureException"


def test_where_keys_are_off_any_signature_is_accepted_and_none_too(unguarded: Opened) -> None:
    http = unguarded.http
    headers, body = signed(Pair("AKIDEXAMPLE", "secret"), "ListCollections", {})
    assert outcome(http.post("/", content=body, headers=headers)) == "ok"
    del headers["Authorization"]
    assert outcome(http.post("/", content=body, headers=headers)) == "ok"


def test_what_is_no_request_of_the_protocol_is_told_what_is(unguarded: Opened) -> None:
    http = unguarded.http
    headers, body = signed(Pair("A", "s"), "ListCollections", {})
    for altered in (
        {"X-Amz-Target": "DynamoDB_20120810.ListTables"},
        {"X-Amz-Target": ""},
        {"Content-Type": "text/plain"},
    ):
        answer = http.post("/", content=body, headers={**headers, **altered})
        assert outcome(answer) == "UnknownOperationException"
        assert "/v1" in answer.json()["message"]
    for text in (b"", b"[]", b"{", b'{"MaxResults": NaN}', b'{"MaxResults": "3"}', b'{"MaxResults": 1.5}'):
        answer = http.post("/", content=text, headers=headers)
        assert outcome(answer) == "SerializationException"
    unknown = http.post("/", content=b'{"Hat": 1}', headers=headers)
    assert "'hat' is no member" in unknown.json()["message"]
    assert http.get("/").headers["content-type"].startswith("text/html")


def test_a_body_beyond_two_images_is_not_read(unguarded: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MOST_BYTES", 1000)
    http = unguarded.http
    headers, _ = signed(Pair("A", "s"), "ListCollections", {})
    answer = http.post("/", content=b" " * 1001, headers=headers)
    assert (answer.status_code, outcome(answer)) == (413, "RequestEntityTooLargeException")


def test_an_unforeseen_failure_is_an_internal_error_without_its_cause(
    unguarded: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = unguarded

    def fail(*_: Any) -> None:
        raise RuntimeError("a broken disc")

    logged: list[BaseException] = []
    monkeypatch.setattr(service.service.gallery, "collections", fail)
    monkeypatch.setattr(errors.log, "error", lambda *_, exc_info, **__: logged.append(exc_info))
    headers, body = signed(Pair("A", "s"), "ListCollections", {})
    answer = service.http.post("/", content=body, headers=headers)
    assert (answer.status_code, outcome(answer)) == (500, "InternalServerError")
    assert "a broken disc" not in answer.text
    assert [str(error) for error in logged] == ["a broken disc"]


def test_a_full_service_is_throttling(unguarded: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    service = unguarded
    monkeypatch.setattr(type(service.service.pipeline.admission), "full", property(lambda _: True))
    headers, body = signed(Pair("A", "s"), "DetectFaces", {"Image": {"Bytes": "AAAA"}})
    answer = service.http.post("/", content=body, headers=headers)
    assert (answer.status_code, outcome(answer)) == (429, "ThrottlingException")
    assert int(answer.headers["x-amz-retry-after"]) == 1000 * int(answer.headers["retry-after"])
