"""Operations on collections: create, describe, list, delete."""

from __future__ import annotations

from anyio.to_thread import run_sync

from index.records import Fusion, NewCollection
from serving.granted import granted_collections
from serving.rekognition.operation import Answer, Call, operation
from serving.rekognition.paging import Pages, cut
from serving.rekognition.shapes import CreateCollection, DeleteCollection, DescribeCollection, ListCollections
from serving.scopes import Scope

PAGE = 1000
"""Items of a page where the caller names no number."""


@operation(CreateCollection, Scope.ADMIN)
async def create_collection(call: Call, asked: CreateCollection) -> Answer:
    """A new, empty collection of which every sample is searched, bound to the served model contract."""
    pack = call.service.pack
    new = NewCollection(
        id=asked.collection_id,
        contract_id=pack.contract_id,
        dimension=pack.dimension,
        fusion=Fusion.SAMPLES,
        metadata={"tags": asked.tags} if asked.tags else {},
    )
    made = await run_sync(call.service.gallery.create_collection, new)
    return {"StatusCode": 200, "CollectionArn": _arn(made.id), "FaceModelVersion": made.contract_id}


@operation(DescribeCollection, Scope.READ)
async def describe_collection(call: Call, asked: DescribeCollection) -> Answer:
    """Sizes, contract and age of a collection."""

    def read() -> Answer:
        with call.service.gallery.samples.reading() as reading:
            found = reading.collection(asked.collection_id)
            users = reading.count_named(asked.collection_id)
        return {
            "FaceCount": found.faces,
            "UserCount": users,
            "FaceModelVersion": found.contract_id,
            "CollectionARN": _arn(found.id),
            "CreationTimestamp": round(found.created_at.timestamp(), 3),
        }

    return await run_sync(read)


@operation(ListCollections, Scope.READ)
async def list_collections(call: Call, asked: ListCollections) -> Answer:
    """Collections by id, a page at a time."""
    pages = Pages(call.service.cursors, "ListCollections")
    after, size = pages.after(asked.next_token), asked.max_results or PAGE
    found = await run_sync(granted_collections, call.service.gallery, call.who, after, size + 1)
    page, last = cut(found, size)
    answer: Answer = {
        "CollectionIds": [one.id for one in page],
        "FaceModelVersions": [one.contract_id for one in page],
    }
    return answer if last is None else {**answer, "NextToken": pages.token(last.id)}


@operation(DeleteCollection, Scope.ADMIN)
async def delete_collection(call: Call, asked: DeleteCollection) -> Answer:
    """The collection with everything in it, as in AWS."""
    await run_sync(lambda: call.service.gallery.delete_collection(asked.collection_id, force=True))
    return {"StatusCode": 200}


def _arn(collection: str) -> str:
    return f"arn:aws:rekognition:local:000000000000:collection/{collection}"
