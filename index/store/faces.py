"""Statements about faces and the mean template each change of them makes; inside the transaction given."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from index.errors import InvalidRecord, PersonExists, UnknownFace
from index.record_rules import (
    check_after,
    check_face,
    check_person,
    metadata_object,
    metadata_text,
    storable,
)
from index.records import FaceRecord, NewFace, NewPerson, Person, Precision, Written
from index.store import clock, collections, log, persons
from index.store.bulk import insert_rows
from index.store.schema import crops, faces
from index.store.schema import persons as persons_table
from index.template import Rows, mean_template, packed, stored, unit_rows, unpacked, widened


def add(
    connection: Connection,
    collection: str,
    person_id: str,
    new: Sequence[NewFace],
    contract_id: str,
    person: NewPerson | None,
    exist_ok: bool,
) -> Written:
    """At least one face to one person, who is made where `person` says so. All or nothing.

    Raises UnknownCollection, ContractMismatch, UnknownPerson, PersonExists, InvalidTemplate, InvalidRecord.
    """
    if not new:
        raise InvalidRecord("there is no face to add")
    found = collections.row_for(connection, collection, contract_id)
    if person is not None and person.id != person_id:
        raise InvalidRecord(f"faces for person {person_id[:255]!r} cannot make person {person.id[:255]!r}")
    known = persons.find(connection, found, person_id)
    if known is not None and person is not None and not exist_ok:
        raise PersonExists(f"person {person_id!r} is in collection {collection!r} already")
    if known is None and person is not None:
        key = persons.insert_one(connection, found, person)
    else:
        key = persons.row(connection, found, person_id).key
    records = insert_faces(connection, found, [(key, person_id)] * len(new), new, _rows(found, new))
    refresh(connection, found, [key])
    return Written(log.advance(connection, found.key, log.Kind.FACES, [key]), records)


def add_many(
    connection: Connection,
    collection: str,
    items: Sequence[tuple[str, NewFace]],
    contract_id: str,
    names: Mapping[str, str] | None = None,
) -> Written:
    """Faces of many persons, who are made where they are missing. All or nothing; errors as `add`.

    names: of persons that are made here, by their ids.
    """
    found = collections.row_for(connection, collection, contract_id)
    rows = _rows(found, [face for _, face in items])
    places: dict[str, list[int]] = {}
    for place, (person_id, _) in enumerate(items):
        places.setdefault(person_id, []).append(place)
    known = persons.keys_of(connection, found, list(places))
    keys = dict(known)
    named = names or {}
    missing = [NewPerson(id, named.get(id, "")) for id in places if id not in known]
    if missing:
        templates = []
        for new in missing:
            check_person(new)
            mine = places[new.id]
            template = template_of(rows[mine], [items[place][1].quality for place in mine])
            templates.append((len(mine), template))
        keys.update(persons.insert_many(connection, found, missing, templates))
    owners = [(keys[person_id], person_id) for person_id, _ in items]
    records = insert_faces(connection, found, owners, [face for _, face in items], rows)
    refresh(connection, found, known.values())
    return Written(log.advance(connection, found.key, log.Kind.FACES, list(keys.values())), records)


def add_to_row(
    connection: Connection, found: Row[Any], person: int, person_id: str, new: Sequence[NewFace]
) -> None:
    """Faces, or none, to one person by number, in any form of a collection. Raises InvalidTemplate, InvalidRecord."""
    if new:
        insert_faces(connection, found, [(person, person_id)] * len(new), new, _rows(found, new))
        refresh(connection, found, [person])
    log.advance(connection, found.key, log.Kind.FACES, [person])


def add_to_rows(
    connection: Connection, found: Row[Any], keys: Mapping[str, int], new: Sequence[tuple[str, NewFace]]
) -> None:
    """Faces, each after the id of its person, to persons by number, who have none so far, in any form of a collection.

    Raises InvalidTemplate, InvalidRecord.
    """
    if new:
        owners = [(keys[person], person) for person, _ in new]
        its_faces = [face for _, face in new]
        insert_faces(connection, found, owners, its_faces, _rows(found, its_faces))
        refresh(connection, found, sorted({key for key, _ in owners}))
    log.advance(connection, found.key, log.Kind.FACES, list(keys.values()))


def _rows(collection: Row[Any], new: Sequence[NewFace]) -> Rows:
    """(n, D) rows as they are stored. Raises InvalidTemplate, InvalidRecord."""
    for face in new:
        check_face(face)
    units = unit_rows([np.asarray(face.embedding) for face in new], collection.dimension)
    return stored(units, Precision(collection.precision))


def template_of(rows: Rows, weights: Sequence[float]) -> bytes:
    """The stored mean of a person's stored samples (n, D)."""
    if len(rows) == 1:
        return packed(rows[0])
    mean = mean_template(widened(rows), np.array(weights))[None]
    return packed(mean[0].astype(rows.dtype))


def insert_faces(
    connection: Connection,
    collection: Row[Any],
    owners: Sequence[tuple[int, str]],
    new: Sequence[NewFace],
    rows: Rows,
) -> list[FaceRecord]:
    """Checked faces with their stored rows (n, D), each to its (number, id) of a person; no template is made anew."""
    ids = [face.id or given for face, given in zip(new, _ids(len(new)), strict=True)]
    now = clock.now()
    times = [now if face.created_at is None else clock.microseconds(face.created_at) for face in new]
    columns = ("person_key", "id", "quality", "detail", "vector", "created_at", "source")
    values = [
        (owner, id, float(face.quality), metadata_text(face.detail, "detail"), packed(row), at, face.source)
        for (owner, _), face, id, row, at in zip(owners, new, ids, rows, times, strict=True)
    ]
    insert_rows(connection, faces, columns, values)
    if collection.keep_crops:
        _keep_crops(connection, [owner for owner, _ in owners], ids, new)
    collections.count(connection, collection.key, faces_more=len(new))
    return [
        FaceRecord(id, person_id, float(face.quality), dict(face.detail), clock.moment(at))
        for (_, person_id), face, id, at in zip(owners, new, ids, times, strict=True)
    ]


def _keep_crops(
    connection: Connection, owners: Sequence[int], ids: Sequence[str], new: Sequence[NewFace]
) -> None:
    for owner, id, face in zip(owners, ids, new, strict=True):
        if face.crop is not None:
            mine = select(faces.c.key).where(faces.c.person_key == owner, faces.c.id == id)
            key = connection.execute(mine).scalar_one()
            connection.execute(insert(crops).values(face_key=key, image=face.crop))


def known_sources(
    connection: Connection, collection: str, sources: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], str]:
    """Face id of each (person id, source) that is enrolled already. Raises UnknownCollection."""
    found = collections.row(connection, collection)
    wanted, known = set(sources), {}
    owners = persons.keys_of(connection, found, sorted({person for person, _ in sources}))
    ids = {key: person for person, key in owners.items()}
    keys = list(ids)
    for start in range(0, len(keys), persons.AT_ONCE):
        query = select(faces.c.person_key, faces.c.source, faces.c.id).where(
            faces.c.person_key.in_(keys[start : start + persons.AT_ONCE]), faces.c.source.is_not(None)
        )
        for owner, source, id in connection.execute(query):
            if (ids[owner], source) in wanted:
                known[ids[owner], source] = id
    return known


def _ids(count: int) -> list[str]:
    """Ids that sort by time of enrolment: nanoseconds, then 64 random bits."""
    now = time.time_ns()
    return [f"{now + step:016x}{secrets.token_hex(8)}" for step in range(count)]


def refresh(connection: Connection, collection: Row[Any], keys: Iterable[int]) -> None:
    """Recomputes count and mean template of persons from their stored samples, in order of enrolment."""
    precision = Precision(collection.precision)
    now, wanted, changes = clock.now(), list(keys), []
    for start in range(0, len(wanted), persons.AT_ONCE):
        part = wanted[start : start + persons.AT_ONCE]
        query = (
            select(faces.c.person_key, faces.c.quality, faces.c.vector)
            .where(faces.c.person_key.in_(part))
            .order_by(faces.c.person_key, faces.c.key)
        )
        empty = set(part)
        for key, group in groupby(connection.execute(query), key=lambda sample: int(sample.person_key)):
            samples = list(group)
            rows = unpacked([sample.vector for sample in samples], collection.dimension, precision)
            template = template_of(rows, [sample.quality for sample in samples])
            changes.append({"person": key, "n": len(samples), "mean": template, "now": now})
            empty.discard(key)
        changes.extend({"person": key, "n": 0, "mean": None, "now": now} for key in empty)
    if changes:
        connection.execute(
            update(persons_table)
            .where(persons_table.c.key == bindparam("person"))
            .values(faces=bindparam("n"), template=bindparam("mean"), updated_at=bindparam("now")),
            changes,
        )


def merge(connection: Connection, collection: str, into: str, sources: Sequence[str]) -> Person:
    """Gives `into` every face of `sources` and removes these, in every form of the collection.

    Raises UnknownCollection, UnknownPerson.
    """
    found = collections.row(connection, collection)
    kept = _merge(connection, found, into, sources)
    for sibling in collections.siblings(connection, found):
        there = persons.keys_of(connection, sibling, [into, *sources])
        gone = [source for source in sources if source in there]
        if gone and into in there:
            _merge(connection, sibling, into, gone)
            continue
        for source in gone:
            persons.remove_row(connection, sibling, persons.row(connection, sibling, source))
    return persons.record(persons.by_key(connection, kept))


def _merge(connection: Connection, found: Row[Any], into: str, sources: Sequence[str]) -> int:
    pairs = [persons.absorb(connection, found, into, source) for source in sources]
    kept = pairs[0][0]
    refresh(connection, found, [kept])
    log.advance(connection, found.key, log.Kind.FACES, [kept, *(gone for _, gone in pairs)])
    return kept


def page(
    connection: Connection, collection: str, person_id: str, after: str | None, limit: int
) -> list[FaceRecord]:
    """Faces by id, which is by time of enrolment, beyond `after`.

    Raises UnknownCollection, UnknownPerson, InvalidRecord.
    """
    found = collections.row(connection, collection)
    person = persons.row(connection, found, person_id)
    columns = (faces.c.id, faces.c.quality, faces.c.detail, faces.c.created_at)
    query = select(*columns).where(faces.c.person_key == person.key).order_by(faces.c.id).limit(limit)
    if after is not None:
        check_after(after)
        query = query.where(faces.c.id > after)
    return [
        FaceRecord(
            face.id, person_id, face.quality, metadata_object(face.detail), clock.moment(face.created_at)
        )
        for face in connection.execute(query)
    ]


def _key(connection: Connection, collection: str, person_id: str, face_id: str) -> tuple[Row[Any], int, int]:
    found = collections.row(connection, collection)
    person = persons.row(connection, found, person_id)
    mine = select(faces.c.key).where(faces.c.person_key == person.key, faces.c.id == face_id)
    key = connection.execute(mine).scalar_one_or_none() if storable(face_id) else None
    if key is None:
        raise UnknownFace(f"person {person_id!r} of collection {collection!r} has no face {face_id[:64]!r}")
    return found, int(person.key), int(key)


def crop(connection: Connection, collection: str, person_id: str, face_id: str) -> bytes | None:
    """The stored crop, None where none was kept. Raises UnknownCollection, UnknownPerson, UnknownFace."""
    _, _, key = _key(connection, collection, person_id, face_id)
    image: bytes | None = connection.execute(
        select(crops.c.image).where(crops.c.face_key == key)
    ).scalar_one_or_none()
    return image


def remove(connection: Connection, collection: str, person_id: str, face_id: str) -> None:
    """The face, in every form of the collection. Raises UnknownCollection, UnknownPerson, UnknownFace."""
    found, person, key = _key(connection, collection, person_id, face_id)
    remove_rows(connection, found, person, [key])
    for sibling in collections.siblings(connection, found):
        theirs = persons.find(connection, sibling, person_id)
        if theirs is not None:
            mine = select(faces.c.key).where(faces.c.person_key == theirs.key, faces.c.id == face_id)
            gone = list(connection.execute(mine).scalars())
            if gone:
                remove_rows(connection, sibling, theirs.key, gone)


def remove_rows(connection: Connection, found: Row[Any], person: int, keys: Sequence[int]) -> None:
    """Faces of one person, by number, of one form of a collection; the person's template is made anew."""
    connection.execute(delete(crops).where(crops.c.face_key.in_(keys)))
    connection.execute(delete(faces).where(faces.c.key.in_(keys)))
    refresh(connection, found, [person])
    collections.count(connection, found.key, faces_more=-len(keys))
    log.advance(connection, found.key, log.Kind.FACES_GONE, [person])


def ids(connection: Connection, keys: Sequence[int]) -> dict[int, str]:
    """Id of each face that exists among `keys`."""
    known: dict[int, str] = {}
    for start in range(0, len(keys), persons.AT_ONCE):
        query = select(faces.c.key, faces.c.id).where(faces.c.key.in_(keys[start : start + persons.AT_ONCE]))
        known.update((int(key), id) for key, id in connection.execute(query))
    return known


def samples(connection: Connection, person_key: int) -> list[tuple[int, str, bytes]]:
    """(key, id, vector) of every sample of a person, in order of enrolment."""
    query = select(faces.c.key, faces.c.id, faces.c.vector).where(faces.c.person_key == person_key)
    return [(face.key, face.id, face.vector) for face in connection.execute(query.order_by(faces.c.key))]
