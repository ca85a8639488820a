"""The Python client asks every route there is, and is told what the service says, in its own types."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from anyio.from_thread import start_blocking_portal

from serving.app import create_app
from serving.client import ApiFailure, Client
from serving.job_client import JobsClient
from serving.local import InProcessTransport
from serving.scopes import Scope
from serving.settings import Settings
from tests.serving.conftest import Att

ASKING = ("serving.client", "serving.job_client", "serving.access_client")


@pytest.fixture(scope="module")
def connect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str | None], Client]]:
    """Opens clients of one service with keys; without a key of their own, with an administrator's."""
    app = create_app(Settings(home=tmp_path_factory.mktemp("home"), auth="on", workers=0))
    first = app.state.service.keys.create("first", Scope.ADMIN)
    with ExitStack() as stack:
        stack.callback(app.state.service.close)
        transport = InProcessTransport(app, stack.enter_context(start_blocking_portal()))

        def client(key: str | None = None) -> Client:
            return stack.enter_context(Client("http://localhost", key or first, transport=transport))

        yield client


@pytest.fixture(scope="module")
def client(connect: Callable[..., Client], att: Att) -> Client:
    made = connect()
    made.create_collection("staff", keep_crops=True)
    for person in (1, 2):
        made.enrol("staff", f"p{person}", [att[person, 1]], create=True)
    return made


def test_a_key_is_made_used_listed_and_revoked(connect: Callable[..., Client], client: Client) -> None:
    until = datetime.now(UTC) + timedelta(days=1)
    made = client.keys.create("read", name="gate", collections=["staff"], rate=50, expires_at=until)
    assert (made.scope, made.name, made.collections, made.rate) == ("read", "gate", ["staff"], 50.0)
    assert made.expires_at is not None
    assert abs(made.expires_at - until) < timedelta(seconds=1)
    holder = connect(made.key)
    assert [one.id for one in holder.collections()] == ["staff"]
    with pytest.raises(ApiFailure) as refused:
        holder.keys.all()
    assert (refused.value.status, refused.value.code) == (403, "forbidden")
    assert made.id in [one.id for one in client.keys.all()]
    assert "key" not in type(client.keys.all()[0]).model_fields
    client.keys.revoke(made.id)
    assert made.id not in [one.id for one in client.keys.all()]
    with pytest.raises(ApiFailure) as gone:
        holder.system()
    assert gone.value.status == 401
    with pytest.raises(ApiFailure) as unknown:
        client.keys.revoke(made.id)
    assert unknown.value.code == "unknown_key"


def test_what_cannot_be_a_key_is_refused_before_it_is_sent(client: Client) -> None:
    with pytest.raises(ValueError, match="root"):
        client.keys.create("root")
    with pytest.raises(ValueError, match="collections"):
        client.keys.create("read", collections=["a/b"])


def test_the_audit_is_read_by_pages_or_as_a_whole_and_only_what_is_asked_for(client: Client) -> None:
    begun = datetime.now(UTC)
    for number in range(3):
        client.create_person("staff", f"audited-{number}")
    client.delete_person("staff", "audited-0")
    lines = list(client.audit.lines(collection="staff", since=begun))
    assert [line.action for line in lines] == ["delete_person", *["create_person"] * 3]
    exported = list(client.audit.export(collection="staff", since=begun))
    assert exported == lines[::-1]
    (about,) = client.audit.lines(collection="staff", person="audited-1")
    assert about == exported[1]
    assert [line.action for line in client.audit.lines(action="delete_person")] == ["delete_person"]
    assert list(client.audit.export(until=begun - timedelta(days=1))) == []
    with pytest.raises(ApiFailure) as refused:
        list(client.audit.export(person="audited-1"))
    assert refused.value.code == "invalid_request"


def test_a_pack_is_asked_for_by_name_or_contract(client: Client, att: Att) -> None:
    (main,) = client.models().items
    for pack in (None, main.name, main.contract_id):
        assert client.embeddings(att[1, 1], pack=pack).model.contract_id == main.contract_id
        assert client.verify(att[1, 1], att[1, 2], pack=pack).match
    with pytest.raises(ApiFailure) as refused:
        client.embeddings(att[1, 1], pack="other")
    assert "'other' is not served" in refused.value.message
    with pytest.raises(ApiFailure) as refused:
        client.create_collection("of-another", pack="other")
    assert refused.value.status == 422


def test_collections_and_persons_are_changed_and_merged(client: Client, att: Att) -> None:
    assert client.change_collection("staff", metadata={"floor": 2}).metadata == {"floor": 2}
    assert client.change_person("staff", "p1", name="Ada").name == "Ada"
    client.enrol("staff", "p3", [att[1, 3]], create=True)
    assert client.merge_persons("staff", "p1", "p3").faces == 2
    (face, _) = client.faces("staff", "p1")
    assert client.crop("staff", "p1", face.id).startswith(b"\x89PNG")
    with pytest.raises(ApiFailure) as gone:
        client.person("staff", "p3")
    assert gone.value.code == "unknown_person"


def test_the_client_asks_every_route_of_the_document_but_those_of_operators(
    client: Client, tmp_path: Path
) -> None:
    asked: set[tuple[str, str]] = set()

    def answer(request: httpx.Request) -> httpx.Response:
        asked.add((request.method, request.url.path))
        return httpx.Response(418)

    samples = {
        **{name: name for name in ("collection", "person", "face", "job", "key", "source", "contract_id")},
        **dict.fromkeys(("photo", "photo_a", "photo_b"), b"x"),
        "photos": [b"x"],
        "templates": [[1.0]],
        "kind": "export",
        "scope": "read",
        "target": tmp_path / "file",
    }
    with Client("http://x", transport=httpx.MockTransport(answer)) as service:
        for part in (service, service.jobs, service.keys, service.audit):
            for name, method in inspect.getmembers(type(part), inspect.isfunction):
                if method.__module__ not in ASKING or name.startswith("_"):
                    continue
                needed = [
                    one for one in inspect.signature(method).parameters.values() if one.default is one.empty
                ]
                given = {one.name: samples[one.name] for one in needed[1:] if one.kind is not one.VAR_KEYWORD}
                if (type(part), name) == (JobsClient, "add"):
                    given["photos"] = [("item", None, b"x")]
                with suppress(ApiFailure):
                    made = getattr(part, name)(**given)
                    list(made) if isinstance(made, Iterator) else None
    document = client.send("GET", "/v1/openapi.json").json()
    routes = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    found = {
        (method, path)
        for method, path in routes
        for sent, address in asked
        if sent == method and re.fullmatch(re.sub(r"{\w+}", "[a-z]+", path), address)
    }
    assert routes - found == {("GET", "/livez"), ("GET", "/metrics")}


def test_a_refusal_that_is_not_in_the_words_of_the_api_is_told_as_such() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(502, text="<html>Bad gateway</html>"))
    with Client("http://x", transport=transport) as client, pytest.raises(ApiFailure) as refused:
        list(client.audit.export())
    assert (refused.value.status, refused.value.code) == (502, "unknown")
