"""Statements about collections; every function works inside the transaction it is given."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from index.errors import CollectionExists, CollectionNotEmpty, UnknownCollection
from index.record_rules import (
    check_after,
    check_collection,
    check_contract,
    metadata_object,
    metadata_text,
    storable,
)
from index.records import Collection, Fusion, Metadata, NewCollection, Precision, Role, Search
from index.store import clock, log
from index.store.schema import collections, crops, faces, persons


def create(connection: Connection, new: NewCollection) -> Collection:
    """Raises InvalidRecord, CollectionExists."""
    check_collection(new)
    if find(connection, new.id) is not None:
        raise CollectionExists(f"collection {new.id!r} is there already")
    key = connection.execute(
        insert(collections).values(
            id=new.id,
            contract_id=new.contract_id,
            dimension=new.dimension,
            fusion=str(Fusion(new.fusion)),
            search=str(Search(new.search)),
            precision=str(Precision(new.precision)),
            keep_crops=new.keep_crops,
            metadata=metadata_text(new.metadata, "metadata"),
            created_at=clock.now(),
            revision=0,
            persons=0,
            faces=0,
            role=str(Role.LIVE),
            synced=0,
            whole=True,
        )
    ).inserted_primary_key
    assert key is not None
    log.advance(connection, key[0], log.Kind.COLLECTION)
    return get(connection, new.id)


def find(connection: Connection, id: str) -> Row[Any] | None:
    """The live row of a collection, or None."""
    if not storable(id):
        return None
    mine = (collections.c.id == id, collections.c.role == str(Role.LIVE))
    return connection.execute(select(collections).where(*mine)).one_or_none()


def row(connection: Connection, id: str) -> Row[Any]:
    """The row of a collection. Raises UnknownCollection."""
    found = find(connection, id)
    if found is None:
        raise UnknownCollection(f"there is no collection {id[:255]!r}")
    return found


def row_for(connection: Connection, id: str, contract_id: str) -> Row[Any]:
    """The row of a collection whose templates a caller's may be compared with. Raises ContractMismatch."""
    found = row(connection, id)
    check_contract(found.id, found.contract_id, contract_id)
    return found


def by_key(connection: Connection, key: int) -> Row[Any] | None:
    """The row of a collection by its number, None when it is gone."""
    return connection.execute(select(collections).where(collections.c.key == key)).one_or_none()


def all_rows(connection: Connection) -> list[Row[Any]]:
    """Every collection, by number, next and previous forms included."""
    return list(connection.execute(select(collections).order_by(collections.c.key)))


def get(connection: Connection, id: str) -> Collection:
    """Raises UnknownCollection."""
    return _record(row(connection, id))


def page(connection: Connection, after: str | None, limit: int) -> list[Collection]:
    """Collections by id, beyond `after`. Raises InvalidRecord."""
    live = collections.c.role == str(Role.LIVE)
    query = select(collections).where(live).order_by(collections.c.id).limit(limit)
    if after is not None:
        check_after(after)
        query = query.where(collections.c.id > after)
    return [_record(found) for found in connection.execute(query)]


def change(
    connection: Connection,
    id: str,
    *,
    metadata: Metadata | None,
    search: Search | None,
    keep_crops: bool | None,
) -> Collection:
    """What is None stays. Raises UnknownCollection, InvalidRecord."""
    found = row(connection, id)
    values: dict[str, Any] = {}
    if metadata is not None:
        values["metadata"] = metadata_text(metadata, "metadata")
    if search is not None:
        values["search"] = str(Search(search))
    if keep_crops is not None:
        values["keep_crops"] = keep_crops
    # Of every form: whichever is live later, the collection is what its owner made of it.
    for form in (found, *siblings(connection, found)) if values else ():
        connection.execute(update(collections).where(collections.c.key == form.key).values(**values))
        log.advance(connection, form.key, log.Kind.COLLECTION)
    return get(connection, id)


def remove(connection: Connection, id: str, force: bool) -> None:
    """Raises UnknownCollection, and CollectionNotEmpty unless forced."""
    found = row(connection, id)
    if found.persons and not force:
        raise CollectionNotEmpty(
            f"collection {id!r} still holds {found.persons} persons; delete them first, or force"
        )
    for sibling in siblings(connection, found):
        remove_row(connection, sibling)
    remove_row(connection, found)


def remove_row(connection: Connection, found: Row[Any]) -> None:
    """One form of a collection, with all it holds."""
    its_persons = select(persons.c.key).where(persons.c.collection_key == found.key)
    its_faces = select(faces.c.key).where(faces.c.person_key.in_(its_persons))
    connection.execute(delete(crops).where(crops.c.face_key.in_(its_faces)))
    connection.execute(delete(faces).where(faces.c.person_key.in_(its_persons)))
    connection.execute(delete(persons).where(persons.c.collection_key == found.key))
    connection.execute(delete(collections).where(collections.c.key == found.key))
    log.advance(connection, found.key, log.Kind.COLLECTION_GONE)


def siblings(connection: Connection, found: Row[Any]) -> list[Row[Any]]:
    """The next and the previous form of a live collection, where there are any."""
    others = (collections.c.id == found.id, collections.c.key != found.key)
    return list(connection.execute(select(collections).where(*others)))


def count(connection: Connection, key: int, *, persons_more: int = 0, faces_more: int = 0) -> None:
    """Adds to the counters of a collection."""
    connection.execute(
        update(collections)
        .where(collections.c.key == key)
        .values(persons=collections.c.persons + persons_more, faces=collections.c.faces + faces_more)
    )


def _record(found: Row[Any]) -> Collection:
    return Collection(
        id=found.id,
        contract_id=found.contract_id,
        dimension=found.dimension,
        fusion=Fusion(found.fusion),
        search=Search(found.search),
        precision=Precision(found.precision),
        keep_crops=found.keep_crops,
        metadata=metadata_object(found.metadata),
        created_at=clock.moment(found.created_at),
        revision=found.revision,
        persons=found.persons,
        faces=found.faces,
    )
