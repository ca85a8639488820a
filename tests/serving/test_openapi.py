"""The OpenAPI document, docs/api.md and the routes say the same: every route, option, default, error code and scope."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from fastapi.routing import APIRoute

from faces.face import Reason
from index import errors as gallery
from serving.app import ROUTERS
from serving.docs import ERRORS
from serving.errors import CODE_OF_STATUS, STATUS_OF_GALLERY_ERROR
from serving.openapi import TAGS
from serving.scopes import Scope
from tests.serving.conftest import Att, Opened

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/api.md").read_text()
METHOD = r"GET|POST|PATCH|DELETE"
IMAGES = {"image", "images", "image_a", "image_b"}
NO_CODES = {"gallery_error", "lease_lost", "client_gone"}
"""The base of all, what only workers meet, and what nobody is there to read."""

Operation = dict[str, Any]


@pytest.fixture(scope="module")
def document(shared_api: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = shared_api.get("/v1/openapi.json").json()
    return found


@pytest.fixture(scope="module")
def operations(document: dict[str, Any]) -> dict[tuple[str, str], Operation]:
    return {
        (method.upper(), path): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }


def table(heading: str) -> Iterator[list[str]]:
    """The cells of each row of the first table under a heading of the guide, without its head."""
    part = GUIDE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in part.splitlines() if line.startswith("|")]
    for row in rows[2:]:
        yield [cell.strip() for cell in row.strip("|").split(" | ")]


def route_of(cell: str) -> tuple[str, str]:
    found = re.fullmatch(rf"`({METHOD}) (/\S*)`", cell)
    assert found is not None, cell
    return found[1], found[2]


def documented_routes() -> dict[tuple[str, str], str]:
    """The scope of each route by the guide."""
    return {route_of(route): scope for route, _, scope in table("Routes")}


def routes() -> set[tuple[str, str]]:
    return {
        (method, route.path_format)
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    }


def test_every_route_is_in_the_guide_and_no_other() -> None:
    assert set(documented_routes()) == routes() | {("GET", "/v1/openapi.json")}


def test_every_route_but_the_pages_and_the_aws_protocol_is_in_the_document(
    operations: dict[tuple[str, str], Operation],
) -> None:
    hidden = {
        (method, route.path_format)
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute) and not (router.include_in_schema and route.include_in_schema)
        for method in route.methods
    }
    assert set(operations) == routes() - hidden
    assert {path for _, path in hidden if path.startswith("/v1")} == set()


def test_the_guide_names_the_scope_that_each_route_asks_for(opened: Callable[..., Opened]) -> None:
    guarded = opened(auth="on").http.get("/v1/openapi.json").json()
    assert set(guarded["components"]["securitySchemes"]) == {"bearer", "header"}
    told = documented_routes()
    for path, item in guarded["paths"].items():
        for method, operation in item.items():
            asked = [next(iter(one.values())) for one in operation.get("security", [])]
            said = told[method.upper(), path].split(",")[0]
            assert asked == ([] if said == "none" else [[said]] * 2), (method, path)
            assert said == "none" or said in set(Scope)


def test_where_keys_are_off_the_document_asks_for_none(document: dict[str, Any]) -> None:
    assert "securitySchemes" not in document["components"]
    assert "security" not in json.dumps(document["paths"])


def options_of(operation: Operation) -> dict[str, Any]:
    """Every option of a route with its default, None where it has none: of the query and of JSON, without images."""
    found = {one["name"]: one["schema"] for one in operation.get("parameters", []) if one["in"] == "query"}
    content = operation.get("requestBody", {}).get("content", {})
    for kind in ("application/json", "multipart/form-data"):
        found.update(content.get(kind, {}).get("schema", {}).get("properties", {}))
    return {name: schema.get("default") for name, schema in found.items() if name not in IMAGES}


def documented_options() -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
    for where, told, _ in table("Options"):
        options: dict[str, Any] = {}
        for token in re.findall(r"`([^`]+)`", told):
            name, given, text = token.partition("=")
            options[name] = json.loads(text) if given else None
        for route in re.findall(rf"`(?:{METHOD}) /\S*`", where):
            yield route_of(route), options


def test_every_option_is_in_the_guide_with_its_default_and_no_other(
    operations: dict[tuple[str, str], Operation],
) -> None:
    found = {route: options_of(operation) for route, operation in operations.items()}
    assert dict(documented_options()) == {route: options for route, options in found.items() if options}


def test_every_error_code_is_in_the_guide_with_its_status_and_no_other() -> None:
    told = {code.strip("`"): {int(one) for one in status.split(",")} for code, status, _ in table("Errors")}
    written: dict[str, set[int]] = {}
    for code, status in [
        *raised(),
        *gallery_codes(),
        *((code, status) for status, code in CODE_OF_STATUS.items()),
    ]:
        written.setdefault(code, set()).add(status)
    for reason in Reason:
        written.setdefault(reason.value, set())
    for code in NO_CODES:
        written.pop(code, None)
    assert set(told) == set(written)
    for code, statuses in written.items():
        assert statuses <= told[code], code
        assert told[code] <= set(ERRORS) | {405}, code


def raised() -> Iterator[tuple[str, int]]:
    """The code and status of every refusal that the service's code spells out."""
    for path in (ROOT / "serving").rglob("*.py"):
        if "rekognition" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            given = node.args[2:] if node.func.id == "refuse" else node.args
            if node.func.id not in ("ApiError", "refuse") or len(given) < 2:
                continue
            status, code = given[:2]
            if isinstance(status, ast.Constant) and isinstance(code, ast.Constant):
                yield code.value, status.value


def gallery_codes() -> Iterator[tuple[str, int]]:
    for kind, status in STATUS_OF_GALLERY_ERROR.items():
        yield kind.code, status


def test_every_refusal_of_the_gallery_has_a_status() -> None:
    kinds = {kind for kind in vars(gallery).values() if isinstance(kind, type)}
    known = {kind for kind in kinds if issubclass(kind, gallery.GalleryError)}
    assert known - set(STATUS_OF_GALLERY_ERROR) == {gallery.GalleryError, gallery.LeaseLost}


def test_every_operation_has_a_name_of_its_own_a_tag_a_summary_and_an_answer(
    document: dict[str, Any], operations: dict[tuple[str, str], Operation]
) -> None:
    names = [operation["operationId"] for operation in operations.values()]
    assert len(set(names)) == len(names)
    assert [tag["name"] for tag in document["tags"]] == list(TAGS)
    for route, operation in operations.items():
        assert re.fullmatch(r"[a-z]+_[a-z_]+", operation["operationId"]), route
        assert [tag in TAGS for tag in operation["tags"]] == [True], route
        assert 10 < len(operation["summary"]) < 120, route
        good = [status for status in operation["responses"] if status.startswith("2")]
        assert good, route
        for status in good:
            assert (status == "204") == ("content" not in operation["responses"][status]), route
    assert {operation["tags"][0] for operation in operations.values()} == set(TAGS)


def test_every_answer_names_the_headers_it_always_has(operations: dict[tuple[str, str], Operation]) -> None:
    for operation in operations.values():
        for status, answer in operation["responses"].items():
            assert "x-request-id" in answer["headers"]
            assert ("Retry-After" in answer["headers"]) == (status in ("429", "503"))
            assert ("WWW-Authenticate" in answer["headers"]) == (status == "401")


def test_every_write_but_those_that_cannot_be_repeated_takes_an_idempotency_key(
    operations: dict[tuple[str, str], Operation],
) -> None:
    without = {
        route
        for route, operation in operations.items()
        if route[0] != "GET"
        and "Idempotency-Key" not in {one["name"] for one in operation.get("parameters", [])}
    }
    questions = {route for route in without if re.search(r"/(detect|verify|embeddings|identify)$", route[1])}
    jobs = {route for route in without if route[1].startswith("/v1/jobs/")}
    keys = {("POST", "/v1/keys"), ("DELETE", "/v1/keys/{key}")}
    assert without == questions | jobs | keys


def test_every_reference_of_the_document_leads_somewhere(document: dict[str, Any]) -> None:
    found = set(re.findall(r'"\$ref": "#/components/(\w+)/([\w-]+)"', json.dumps(document)))
    assert len(found) > 20
    for group, name in found:
        assert name in document["components"][group]
    used = {name for group, name in found if group == "schemas"}
    assert used == set(document["components"]["schemas"])


@pytest.mark.parametrize("id", ["a\x1fb", "a\x85", "x" * 256])
def test_an_id_in_a_path_is_described_and_held_to_that_where_it_would_be_made(
    id: str, operations: dict[tuple[str, str], Operation], shared_api: httpx.Client, att: Att
) -> None:
    route = "/v1/collections/{collection}/persons/{person}/faces"
    given = {one["name"]: one["schema"] for one in operations["POST", route]["parameters"]}
    asked = {one["name"]: one["schema"] for one in operations["GET", "/v1/audit"]["parameters"]}
    for name in ("collection", "person"):
        assert asked[name]["anyOf"][0].items() <= given[name].items()
    assert not re.fullmatch(given["person"]["pattern"], id) or len(id) > given["person"]["maxLength"]
    shared_api.post("/v1/collections", json={"id": "ids"})
    path = route.format(collection="ids", person=quote(id))
    made = shared_api.post(path, params={"create": True}, files={"image": att[1, 1]})
    assert made.status_code == 422, made.text


def test_a_path_says_all_of_its_methods_where_it_is_asked_by_another(shared_api: httpx.Client) -> None:
    told = {"/v1/collections": "GET, POST", "/v1/keys/x": "DELETE", "/": "GET, POST", "/livez": "GET"}
    told[f"/v1/collections/{'x' * 9}"] = "GET, PATCH, DELETE"
    for path, methods in told.items():
        for method in ("PUT", "HEAD", "OPTIONS", "TRACE"):
            answer = shared_api.request(method, path)
            assert (answer.status_code, answer.headers["allow"]) == (405, methods), (method, path)


def test_the_reference_page_is_served_from_here_alone(shared_api: httpx.Client) -> None:
    page = shared_api.get("/docs")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "default-src 'none'; script-src 'self'" in page.headers["content-security-policy"]
    for address in re.findall(r'(?:src|href)="([^"#]+)"', page.text):
        assert address.startswith("/")
        assert shared_api.get(address).status_code == 200, address
