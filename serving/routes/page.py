"""Serves the web pages' own files, and nothing else of the disk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.resources import files
from mimetypes import guess_type

from fastapi import APIRouter, Response

from serving.errors import ApiError

router = APIRouter(include_in_schema=False)

PAGES = ("people", "unknowns", "duplicates", "jobs", "keys", "audit", "system")
SERVED = frozenset({".html", ".js", ".css", ".svg"})
ASSETS = {
    item.name: item.read_bytes()
    for item in (files("serving") / "pages").iterdir()
    if item.is_file() and "." + item.name.rpartition(".")[2] in SERVED
}


@router.get("/")
async def index() -> Response:
    """The page that tells who is on a photo."""
    return await asset("index.html")


@router.get("/assets/{name}")
async def asset(name: str) -> Response:
    """One file of the pages, by a name of the fixed list."""
    if name not in ASSETS:
        raise ApiError(404, "not_found", f"The page has no file {name!r}.")
    return Response(ASSETS[name], media_type=guess_type(name)[0] or "text/plain")


def _document(name: str) -> Callable[[], Awaitable[Response]]:
    async def document() -> Response:
        return await asset(f"{name}.html")

    return document


for _name in PAGES:
    router.add_api_route(f"/{_name}", _document(_name), methods=["GET"])
