"""The OpenAPI document of a service: what FastAPI reads from the routes, and what holds for all of them.

Says nothing that a route does not do: tests hold it against the answers. Bodies are described in docs.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from serving.access import NEEDED
from serving.docs import IDEMPOTENCY_KEY
from serving.schemas import CollectionId, PersonId
from serving.scopes import Scope

TAGS = {
    "photos": "Questions about photos alone. Nothing is stored.",
    "search": "Questions to a collection: who is this, is this that person?",
    "collections": "A collection holds persons, under one model contract.",
    "persons": "A person has an id of your own, a name, metadata, and faces.",
    "faces": "Samples of one person, enrolled from photos or as templates.",
    "jobs": "Work that takes longer than a request.",
    "keys": "API keys: made, listed, revoked.",
    "audit": "Who did what, and when.",
    "system": "The service itself: alive, ready, measured, described.",
}
VERBS = {"listing": "list", "one": "get"}
SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer cck_…`"},
    "header": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
}

TEXT = {"type": "string"}
SECONDS = {"type": "integer", "minimum": 0}
HEADERS: dict[str, dict[str, Any]] = {
    "x-request-id": {"required": True, "schema": TEXT, "description": "As given, or made; as in the log."},
    "Retry-After": {"required": True, "schema": SECONDS, "description": "Seconds to wait."},
    "WWW-Authenticate": {"required": True, "schema": TEXT},
    "Location": {"required": True, "schema": TEXT, "description": "Path of what was made."},
    "Idempotency-Replayed": {
        "required": False,
        "schema": {"const": "true"},
        "description": "There where the answer was given before to this Idempotency-Key.",
    },
}
IDS: dict[str, dict[str, Any]] = {
    "collection": TypeAdapter(CollectionId).json_schema(),
    "person": TypeAdapter(PersonId).json_schema(),
}
"""Where one stands in a path. Routes that make nothing do not check it: of another id there is nobody (404)."""
HEADERS_OF_STATUS = {
    "202": ("Location",),
    "401": ("WWW-Authenticate",),
    "429": ("Retry-After",),
    "503": ("Retry-After",),
}


def operation_id(route: APIRoute) -> str:
    """The name of a route in clients that are made from the document, such as `persons_list`."""
    tag = str(route.tags[0]) if route.tags else "page"
    return f"{tag}_{VERBS.get(route.name, route.name)}"


def install_openapi(app: FastAPI, routers: Sequence[APIRouter], *, keys_required: bool) -> None:
    """Makes the application tell the whole document; with keys, where this service wants them."""
    found: Callable[[], dict[str, Any]] = app.openapi
    scopes = dict(_scopes(routers)) if keys_required else {}
    whole: dict[str, Any] = {}

    def document() -> dict[str, Any]:
        if not whole:
            whole.update(_completed(found(), scopes))
        return whole

    app.openapi = document  # type: ignore[method-assign]


def _scopes(routers: Sequence[APIRouter]) -> Iterator[tuple[tuple[str, str], Scope]]:
    """The scope that each route asks for, by method in small letters and path; routes for everybody are left out."""
    for router in routers:
        for route in router.routes:
            if not isinstance(route, APIRoute):
                continue
            for part in route.dependant.dependencies:
                if part.call in NEEDED:
                    for method in route.methods or ():
                        yield (method.lower(), route.path_format), NEEDED[part.call]


def _completed(found: dict[str, Any], scopes: dict[tuple[str, str], Scope]) -> dict[str, Any]:
    for path, item in found["paths"].items():
        for method, operation in item.items():
            _summarise(operation)
            _tell_ids(operation)
            _tell_headers(operation)
            if (method, path) in scopes:
                operation["security"] = [{name: [scopes[method, path].value]} for name in SCHEMES]
    found["components"]["headers"] = HEADERS
    if scopes:
        found["components"]["securitySchemes"] = SCHEMES
    return {**found, "tags": [{"name": name, "description": text} for name, text in TAGS.items()]}


def _summarise(operation: dict[str, Any]) -> None:
    """The first sentence of what a route says of itself is its summary, and stands there alone."""
    first, *rest = re.split(r"(?<=[.?])\s+", operation.pop("description"), maxsplit=1)
    operation["summary"] = first.removesuffix(".")
    if rest:
        operation["description"] = rest[0]


def _tell_ids(operation: dict[str, Any]) -> None:
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path" and parameter["name"] in IDS:
            parameter["schema"] |= IDS[parameter["name"]]


def _tell_headers(operation: dict[str, Any]) -> None:
    replays = IDEMPOTENCY_KEY["name"] in {one["name"] for one in operation.get("parameters", ())}
    for status, answer in operation["responses"].items():
        names = ["x-request-id", *HEADERS_OF_STATUS.get(status, ())]
        if replays and status.startswith("2"):
            names.append("Idempotency-Replayed")
        told = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
        answer["headers"] = {**told, **answer.get("headers", {})}
