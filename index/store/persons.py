"""Statements about persons; every function works inside the transaction it is given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, select, update

from index.errors import InvalidRecord, PersonExists, UnknownPerson
from index.record_rules import check_after, check_name, check_person, metadata_object, metadata_text, storable
from index.records import Metadata, NewPerson, Person
from index.store import clock, collections, log
from index.store.bulk import insert_rows
from index.store.schema import crops, faces, persons

AT_ONCE = 500
"""Values in one IN (...); databases limit the parameters of a statement."""


def create(connection: Connection, collection: str, new: NewPerson) -> Person:
    """Raises UnknownCollection, InvalidRecord, PersonExists."""
    found = collections.row(connection, collection)
    key = insert_one(connection, found, new)
    log.advance(connection, found.key, log.Kind.PERSON, [key])
    return record(by_key(connection, key))


def insert_one(connection: Connection, collection: Row[Any], new: NewPerson) -> int:
    """Key of a new person; no log entry. Raises InvalidRecord, PersonExists."""
    check_person(new)
    if find(connection, collection, new.id) is not None:
        raise PersonExists(f"person {new.id!r} is in collection {collection.id!r} already")
    return insert_many(connection, collection, [new], [(0, None)])[new.id]


def insert_many(
    connection: Connection,
    collection: Row[Any],
    new: Sequence[NewPerson],
    templates: Sequence[tuple[int, bytes | None]],
) -> dict[str, int]:
    """Key of each new person by id; ids must be checked and free. No log entry.

    templates: of each person, how many faces it is the mean of, and the stored row.
    """
    now = clock.now()
    columns = ("collection_key", "id", "name", "metadata", "faces", "template", "created_at", "updated_at")
    rows = [
        (
            collection.key,
            person.id,
            person.name,
            metadata_text(person.metadata, "metadata"),
            faces,
            template,
            now,
            now,
        )
        for person, (faces, template) in zip(new, templates, strict=True)
    ]
    insert_rows(connection, persons, columns, rows)
    collections.count(connection, collection.key, persons_more=len(rows))
    return keys_of(connection, collection, [person.id for person in new])


def find(connection: Connection, collection: Row[Any], id: str) -> Row[Any] | None:
    """The row of a person, or None."""
    if not storable(id):
        return None
    return connection.execute(
        select(persons).where(persons.c.collection_key == collection.key, persons.c.id == id)
    ).one_or_none()


def row(connection: Connection, collection: Row[Any], id: str) -> Row[Any]:
    """The row of a person. Raises UnknownPerson."""
    found = find(connection, collection, id)
    if found is None:
        raise UnknownPerson(f"there is no person {id[:255]!r} in collection {collection.id!r}")
    return found


def by_key(connection: Connection, key: int) -> Row[Any]:
    """The row of a person by number; it must be there."""
    return connection.execute(select(persons).where(persons.c.key == key)).one()


def keys_of(connection: Connection, collection: Row[Any], ids: Sequence[str]) -> dict[str, int]:
    """Number of each person that exists among `ids`."""
    known: dict[str, int] = {}
    ids = [id for id in ids if storable(id)]
    for start in range(0, len(ids), AT_ONCE):
        query = select(persons.c.id, persons.c.key).where(
            persons.c.collection_key == collection.key, persons.c.id.in_(ids[start : start + AT_ONCE])
        )
        known.update((found.id, found.key) for found in connection.execute(query))
    return known


def names(connection: Connection, keys: Sequence[int]) -> dict[int, tuple[str, str]]:
    """(id, name) of each person that exists among `keys`."""
    known: dict[int, tuple[str, str]] = {}
    for start in range(0, len(keys), AT_ONCE):
        query = select(persons.c.key, persons.c.id, persons.c.name).where(
            persons.c.key.in_(keys[start : start + AT_ONCE])
        )
        known.update((found.key, (found.id, found.name)) for found in connection.execute(query))
    return known


def get(connection: Connection, collection: str, id: str) -> Person:
    """Raises UnknownCollection, UnknownPerson."""
    return record(row(connection, collections.row(connection, collection), id))


def page(connection: Connection, collection: str, after: str | None, limit: int) -> list[Person]:
    """Persons by id, beyond `after`. Raises UnknownCollection, InvalidRecord."""
    found = collections.row(connection, collection)
    query = select(persons).where(persons.c.collection_key == found.key).order_by(persons.c.id).limit(limit)
    if after is not None:
        check_after(after)
        query = query.where(persons.c.id > after)
    return [record(person) for person in connection.execute(query)]


def change(
    connection: Connection, collection: str, id: str, *, name: str | None, metadata: Metadata | None
) -> Person:
    """What is None stays. Raises UnknownCollection, UnknownPerson, InvalidRecord."""
    found = collections.row(connection, collection)
    person = row(connection, found, id)
    values: dict[str, Any] = {}
    if name is not None:
        check_name(name)
        values["name"] = name
    if metadata is not None:
        values["metadata"] = metadata_text(metadata, "metadata")
    if values:
        values["updated_at"] = clock.now()
        connection.execute(update(persons).where(persons.c.key == person.key).values(**values))
        log.advance(connection, found.key, log.Kind.PERSON, [person.key])
    return get(connection, collection, id)


def remove(connection: Connection, collection: str, id: str) -> int:
    """The person with every face and crop, in every form of the collection; how many faces the live one had.

    Raises UnknownCollection, UnknownPerson.
    """
    found = collections.row(connection, collection)
    gone = remove_row(connection, found, row(connection, found, id))
    for sibling in collections.siblings(connection, found):
        theirs = find(connection, sibling, id)
        if theirs is not None:
            remove_row(connection, sibling, theirs)
    return gone


def remove_row(connection: Connection, found: Row[Any], person: Row[Any]) -> int:
    """The person with every face and crop, of one form of a collection; how many faces that were."""
    its_faces = select(faces.c.key).where(faces.c.person_key == person.key)
    connection.execute(delete(crops).where(crops.c.face_key.in_(its_faces)))
    gone = connection.execute(delete(faces).where(faces.c.person_key == person.key)).rowcount
    connection.execute(delete(persons).where(persons.c.key == person.key))
    collections.count(connection, found.key, persons_more=-1, faces_more=-gone)
    log.advance(connection, found.key, log.Kind.PERSON_GONE, [person.key])
    return gone


def absorb(connection: Connection, collection: Row[Any], into: str, source: str) -> tuple[int, int]:
    """Moves the faces of `source` to `into` and removes `source`; keys of both. No log entry.

    Raises UnknownPerson, InvalidRecord when both are one.
    """
    if into == source:
        raise InvalidRecord(f"person {into[:255]!r} cannot be merged with itself")
    kept, gone = row(connection, collection, into), row(connection, collection, source)
    connection.execute(update(faces).where(faces.c.person_key == gone.key).values(person_key=kept.key))
    connection.execute(delete(persons).where(persons.c.key == gone.key))
    collections.count(connection, collection.key, persons_more=-1)
    return kept.key, gone.key


def record(found: Row[Any]) -> Person:
    """A stored row as the caller sees it."""
    return Person(
        id=found.id,
        name=found.name,
        metadata=metadata_object(found.metadata),
        faces=found.faces,
        created_at=clock.moment(found.created_at),
        updated_at=clock.moment(found.updated_at),
    )
