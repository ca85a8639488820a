"""Serves the web pages' own files, and nothing else of the disk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib.resources import files
from mimetypes import guess_type

from fastapi import APIRouter, Response

from serving.errors import ApiError

router = APIRouter(include_in_schema=False)

PAGES = {
    "": "identify/index.html",
    "people": "people/people.html",
    "unknowns": "likeness/unknowns.html",
    "duplicates": "likeness/duplicates.html",
    "jobs": "jobs/jobs.html",
    "keys": "keys/keys.html",
    "audit": "audit/audit.html",
    "system": "system/system.html",
    "docs": "reference/docs.html",
}
SERVED = frozenset({".html", ".js", ".css", ".svg"})
ASSETS = {
    f"{folder.name}/{item.name}": item.read_bytes()
    for folder in (files("serving") / "pages").iterdir()
    if folder.is_dir()
    for item in folder.iterdir()
    if "." + item.name.rpartition(".")[2] in SERVED
}


@router.get("/assets/{folder}/{name}")
async def asset(folder: str, name: str) -> Response:
    """One file of the pages, by a name of the fixed list."""
    return _file(f"{folder}/{name}")


def _file(name: str) -> Response:
    if name not in ASSETS:
        raise ApiError(404, "not_found", f"The pages have no file {name!r}.")
    return Response(ASSETS[name], media_type=guess_type(name)[0] or "text/plain")


def _document(name: str) -> Callable[[], Awaitable[Response]]:
    async def document() -> Response:
        return _file(name)

    return document


for _path, _name in PAGES.items():
    router.add_api_route(f"/{_path}", _document(_name), methods=["GET"])
