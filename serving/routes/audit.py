"""Routes of the audit: look through it, fetch it whole; for administrators not limited to some collections."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from index.audit_records import Action, Wanted
from serving.access import Administrator, ServiceDep
from serving.access_answers import audit_line
from serving.access_schemas import AuditPage, Moment
from serving.docs import ERRORS
from serving.errors import invalid_request
from serving.routes.collections import Cursor, PageLimit
from serving.schemas import CollectionId, PersonId
from serving.service import Service

router = APIRouter(prefix="/v1", tags=["audit"], responses=ERRORS)

ActorId = Annotated[str, Query(min_length=1, max_length=255, pattern=r"^[A-Za-z0-9_-]+$")]
LINES = "application/jsonl"


async def wanted(
    since: Moment | None = None,
    until: Moment | None = None,
    action: Action | None = None,
    collection: CollectionId | None = None,
    actor: ActorId | None = None,
    person: PersonId | None = None,
) -> Wanted:
    """Which lines are asked for. Raises ApiError 422 for a person without a collection."""
    if person is not None and collection is None:
        text = "is asked for together with its collection: the audit knows a person by a digest of both"
        raise invalid_request([{"field": "person", "problem": text}])
    return Wanted(since, until, None if action is None else str(action), collection, actor, person)


Asked = Annotated[Wanted, Depends(wanted)]


@router.get("/audit")
async def listing(
    service: ServiceDep, _: Administrator, asked: Asked, limit: PageLimit = 100, cursor: Cursor = None
) -> AuditPage:
    """Lines, newest first."""
    name = f"audit {_told(service, asked)}"
    before = service.cursors.read(name, cursor)
    number = None if before is None else int(before)
    found = await run_sync(lambda: service.gallery.audit.page(asked, number, limit + 1))
    more = service.cursors.sign(name, str(found[limit - 1].number)) if len(found) > limit else None
    return AuditPage(items=[audit_line(line) for line in found[:limit]], next=more)


@router.get("/audit:export", response_class=StreamingResponse, responses={200: {"content": {LINES: {}}}})
async def export(service: ServiceDep, _: Administrator, asked: Asked) -> StreamingResponse:
    """Lines in the order they were written, a JSON object each, up to the newest one of now."""
    last, _hash = await run_sync(service.gallery.audit.newest)
    return StreamingResponse(_lines(service, asked, last), media_type=LINES)


def _lines(service: Service, asked: Wanted, last: int) -> Iterator[bytes]:
    for line in service.gallery.audit.lines(asked, last):
        yield audit_line(line).model_dump_json().encode() + b"\n"


def _told(service: Service, asked: Wanted) -> str:
    """The question as a cursor carries it: a client reads a cursor, and a person's id belongs in none."""
    if asked.person is None:
        return repr(asked)
    return repr(replace(asked, person=service.gallery.audit.subject(asked.collection, asked.person)))
