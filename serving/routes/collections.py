"""Routes of collections: make, list, change, delete."""

from __future__ import annotations

from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Query, Request, Response

from index.records import Collection, NewCollection
from serving import answers
from serving.access import Admin, Reader, ServiceDep
from serving.contracts import asked_pack
from serving.docs import ERRORS, json_body, repeatable
from serving.errors import ApiError
from serving.granted import granted_collections
from serving.idempotency import Once
from serving.schemas import CollectionIn, CollectionOut, CollectionPage, CollectionPatch
from serving.uploads import read_body

router = APIRouter(prefix="/v1/collections", tags=["collections"], responses=ERRORS)

PageLimit = Annotated[int, Query(ge=1, le=1000)]
Cursor = Annotated[str | None, Query(max_length=2048)]


@router.post(
    "", status_code=201, openapi_extra=repeatable(json_body(CollectionIn)), response_model=CollectionOut
)
async def create(request: Request, service: ServiceDep, who: Admin) -> Response:
    """A new, empty collection, bound to the model contract of a served pack."""
    sent = await read_body(request, CollectionIn)
    once = Once.of(request, who, sent.digest, answers.collection_out, 201)
    body = sent.options
    if not who.reaches(body.id):
        message = (
            f"This key is not granted a collection {body.id!r}; it makes those that it is granted alone."
        )
        raise ApiError(403, "forbidden", message)
    pack = asked_pack(service, body.pack).pack
    new = NewCollection(
        id=body.id,
        contract_id=pack.contract_id,
        dimension=pack.dimension,
        fusion=body.fusion,
        search=body.search,
        precision=body.precision,
        keep_crops=body.keep_crops,
        metadata=body.metadata,
    )

    async def write(receipt: Any) -> Collection:
        return await run_sync(lambda: service.gallery.create_collection(new, receipt=receipt))

    return await once.run(write)


@router.get("")
async def listing(
    service: ServiceDep, who: Reader, limit: PageLimit = 100, cursor: Cursor = None
) -> CollectionPage:
    """Collections that the key is granted, by id, a page at a time."""
    after = service.cursors.read("collections", cursor)
    found = await run_sync(granted_collections, service.gallery, who, after, limit + 1)
    more = service.cursors.sign("collections", found[limit - 1].id) if len(found) > limit else None
    return CollectionPage(items=[answers.collection_out(item) for item in found[:limit]], next=more)


@router.get("/{collection}")
async def one(collection: str, service: ServiceDep, _: Reader) -> CollectionOut:
    """A collection with its size, revision and forms."""

    def look() -> CollectionOut:
        found = service.gallery.collection(collection)
        siblings = service.gallery.forms.siblings(collection)
        return answers.collection_out(found, siblings)

    return await run_sync(look)


@router.patch(
    "/{collection}", openapi_extra=repeatable(json_body(CollectionPatch)), response_model=CollectionOut
)
async def change(collection: str, request: Request, service: ServiceDep, who: Admin) -> Response:
    """Changes search, keep_crops or metadata."""
    sent = await read_body(request, CollectionPatch)
    once = Once.of(request, who, sent.digest, answers.collection_out)
    patch = sent.options.model_dump(exclude_none=True)

    async def write(receipt: Any) -> Collection:
        return await run_sync(lambda: service.gallery.update_collection(collection, **patch, receipt=receipt))

    return await once.run(write)


@router.delete("/{collection}", status_code=204, openapi_extra=repeatable())
async def delete(
    collection: str, request: Request, service: ServiceDep, who: Admin, force: bool = False
) -> Response:
    """Deletes an empty collection; with `force`, also one with persons, and everything in it."""
    once = Once.of(request, who, f"force={force}", lambda _: None, 204)

    async def write(receipt: Any) -> None:
        await run_sync(lambda: service.gallery.delete_collection(collection, force=force, receipt=receipt))

    return await once.run(write)
