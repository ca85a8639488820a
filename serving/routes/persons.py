"""Routes of persons: make, list, change, delete, merge."""

from __future__ import annotations

from typing import Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Request, Response

from index.records import NewPerson, Person
from serving import answers
from serving.access import Enroller, Reader, ServiceDep
from serving.docs import ERRORS, json_body, repeatable
from serving.idempotency import Once
from serving.routes.collections import Cursor, PageLimit
from serving.schemas import MergeIn, PersonIn, PersonOut, PersonPage, PersonPatch
from serving.uploads import read_body

router = APIRouter(prefix="/v1/collections/{collection}/persons", tags=["persons"], responses=ERRORS)


@router.post("", status_code=201, openapi_extra=repeatable(json_body(PersonIn)), response_model=PersonOut)
async def create(collection: str, request: Request, service: ServiceDep, who: Enroller) -> Response:
    """A new person without faces, under the caller's own id."""
    sent = await read_body(request, PersonIn)
    once = Once.of(request, who, sent.digest, answers.person_out, 201)
    new = NewPerson(id=sent.options.id, name=sent.options.name, metadata=sent.options.metadata)

    async def write(receipt: Any) -> Person:
        return await run_sync(lambda: service.gallery.create_person(collection, new, receipt=receipt))

    return await once.run(write)


@router.get("")
async def listing(
    collection: str, service: ServiceDep, _: Reader, limit: PageLimit = 100, cursor: Cursor = None
) -> PersonPage:
    """Persons by id, a page at a time."""
    name = f"persons {collection}"
    after = service.cursors.read(name, cursor)
    found = await run_sync(lambda: service.gallery.persons(collection, after, limit + 1))
    more = service.cursors.sign(name, found[limit - 1].id) if len(found) > limit else None
    return PersonPage(items=[answers.person_out(item) for item in found[:limit]], next=more)


@router.post("/{person}:merge", openapi_extra=repeatable(json_body(MergeIn)), response_model=PersonOut)
async def merge(
    collection: str, person: str, request: Request, service: ServiceDep, who: Enroller
) -> Response:
    """Moves every face of another person here and removes that person."""
    sent = await read_body(request, MergeIn)
    once = Once.of(request, who, sent.digest, answers.person_out)
    source = sent.options.source

    async def write(receipt: Any) -> Person:
        return await run_sync(
            lambda: service.gallery.merge_persons(collection, person, source, receipt=receipt)
        )

    return await once.run(write)


@router.get("/{person}")
async def one(collection: str, person: str, service: ServiceDep, _: Reader) -> PersonOut:
    """A person and the number of their faces."""
    return answers.person_out(await run_sync(lambda: service.gallery.person(collection, person)))


@router.patch("/{person}", openapi_extra=repeatable(json_body(PersonPatch)), response_model=PersonOut)
async def change(
    collection: str, person: str, request: Request, service: ServiceDep, who: Enroller
) -> Response:
    """Changes name or metadata."""
    sent = await read_body(request, PersonPatch)
    once = Once.of(request, who, sent.digest, answers.person_out)
    patch = sent.options.model_dump(exclude_none=True)

    async def write(receipt: Any) -> Person:
        return await run_sync(
            lambda: service.gallery.update_person(collection, person, **patch, receipt=receipt)
        )

    return await once.run(write)


@router.delete("/{person}", status_code=204, openapi_extra=repeatable())
async def delete(
    collection: str, person: str, request: Request, service: ServiceDep, who: Enroller
) -> Response:
    """Forgets a person: rows, templates and crops."""
    once = Once.of(request, who, "", lambda _: None, 204)

    async def write(receipt: Any) -> None:
        await run_sync(lambda: service.gallery.delete_person(collection, person, receipt=receipt))

    return await once.run(write)
