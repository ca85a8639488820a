"""Statements about samples whosever they are: found by id, listed, given to somebody else; in the transaction given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, Select, and_, bindparam, delete, func, not_, select, update

from index.record_rules import check_after, metadata_object
from index.records import FaceRecord, Fusion, NewFace, NewPerson, Person
from index.store import clock, collections, log, persons, searched
from index.store import faces as face_statements
from index.store.persons import AT_ONCE
from index.store.schema import crops as crops_table
from index.store.schema import faces as faces_table
from index.store.schema import persons as persons_table
from index.template import Float32, cosines, unpacked, widened
from index.unnamed import PREFIX, is_unnamed, unnamed_person

MORE = 256
"""Faces read beyond a page's own: those of other collections may lie among them."""

_UNNAMED = and_(
    persons_table.c.id >= PREFIX,
    persons_table.c.id < PREFIX[:-1] + chr(ord(PREFIX[-1]) + 1),
    func.length(persons_table.c.id) == len(unnamed_person("0" * 32)),
)


def find(connection: Connection, collection: str, ids: Sequence[str]) -> dict[str, FaceRecord]:
    """Each sample that is in the collection among `ids`. Raises UnknownCollection."""
    key = collections.row(connection, collection).key
    known: dict[str, FaceRecord] = {}
    for part in _parts(ids):
        query = _records().where(faces_table.c.id.in_(part))
        known.update((one.id, _record(one)) for one in _inside(connection, key, query))
    return known


def page(connection: Connection, collection: str, after: str | None, limit: int) -> list[FaceRecord]:
    """Samples of a collection by their ids, beyond `after`. Raises UnknownCollection, InvalidRecord."""
    key = collections.row(connection, collection).key
    found: list[FaceRecord] = []
    while True:
        near = select(faces_table.c.key, faces_table.c.id).order_by(faces_table.c.id).limit(limit + MORE)
        if after is not None:
            check_after(after)
            near = near.where(faces_table.c.id > after)
        looked = list(connection.execute(near))
        # The forms of a collection hold faces of one id: all of them are looked through, or none.
        whole = len(looked) < limit + MORE
        last = None if whole else looked[-1].id
        keys = [one.key for one in looked if one.id != last]
        for part in _parts(keys):
            query = _records().where(faces_table.c.key.in_(part))
            found.extend(_record(one) for one in _inside(connection, key, query))
        if whole or len(found) >= limit:
            return sorted(found, key=lambda face: face.id)[:limit]
        after = looked[len(keys) - 1].id


def template(connection: Connection, collection: str, face_id: str) -> Float32 | None:
    """(D,) of a sample as it is stored, None where there is none. Raises UnknownCollection."""
    found = collections.row(connection, collection)
    mine = and_(persons_table.c.collection_key == found.key, faces_table.c.id == face_id)
    query = select(faces_table.c.vector).join(persons_table, _of_person()).where(mine).limit(1)
    return _row(found, connection.execute(query).scalar_one_or_none())


def person_template(connection: Connection, collection: str, person_id: str) -> Float32 | None:
    """(D,) mean of a person's samples, None without any. Raises UnknownCollection, UnknownPerson."""
    found = collections.row(connection, collection)
    return _row(found, persons.row(connection, found, person_id).template)


def person_samples(connection: Connection, collection: str, person_id: str) -> Float32:
    """(n, D): a person's samples as they are stored. Raises UnknownCollection, UnknownPerson."""
    found = collections.row(connection, collection)
    space = replace(searched.space(found), fusion=Fusion.SAMPLES)
    rows = searched.of_persons(connection, space, [persons.row(connection, found, person_id).key])
    return widened(rows.vectors)


def scored(
    connection: Connection, collection: Row[Any], people: Iterable[int], unit: Float32, threshold: float
) -> list[tuple[FaceRecord, float]]:
    """Every sample of some persons, by number, with an exact cosine of at least `threshold`, best first."""
    rows = searched.of_persons(connection, searched.space(collection), list(people))
    if not len(rows.keys):
        return []
    scores = cosines(widened(rows.vectors), unit)
    near = np.flatnonzero(scores >= threshold)
    cosine = dict(zip(rows.keys[near].tolist(), scores[near].tolist(), strict=True))
    found: list[tuple[FaceRecord, float]] = []
    for part in _parts(list(cosine)):
        query = _records().where(faces_table.c.key.in_(part))
        found.extend((_record(one), cosine[one.key]) for one in connection.execute(query))
    return sorted(found, key=lambda pair: (-pair[1], pair[0].id))


def add_unnamed(
    connection: Connection, collection: str, new: Sequence[NewFace], contract_id: str
) -> list[FaceRecord]:
    """Faces of nobody, each with an id of the caller's; one whose id is in the collection stays as it is.

    In the order given. Raises UnknownCollection, ContractMismatch, InvalidTemplate, InvalidRecord.
    """
    collections.row_for(connection, collection, contract_id)
    ids = [str(face.id) for face in new]
    known = find(connection, collection, ids)
    fresh = {id: face for id, face in zip(ids, new, strict=True) if id not in known}
    if fresh:
        items = [(unnamed_person(id), face) for id, face in fresh.items()]
        written = face_statements.add_many(connection, collection, items, contract_id)
        known.update((record.id, record) for record in written.faces)
    return [known[id] for id in ids]


def move(connection: Connection, collection: str, owners: Mapping[str, str]) -> None:
    """Gives samples to persons (face id -> person id), in every form; nobody is made but persons of nobody's faces.

    Such a person is gone when its face is given away. Raises UnknownCollection, UnknownPerson; ids of no sample are
    left out.
    """
    live = collections.row(connection, collection)
    known = persons.keys_of(connection, live, list(set(owners.values())))
    for id in set(owners.values()) - known.keys():
        if not is_unnamed(id):
            persons.row(connection, live, id)
    named = {id: persons.record(persons.by_key(connection, key)) for id, key in known.items()}
    for form in (live, *collections.siblings(connection, live)):
        _move(connection, form, owners, named)


def _move(
    connection: Connection, form: Row[Any], owners: Mapping[str, str], named: Mapping[str, Person]
) -> None:
    moved: dict[int, str] = {}
    left: dict[int, str] = {}
    for part in _parts(list(owners)):
        query = _records().where(faces_table.c.id.in_(part))
        for one in _inside(connection, form.key, query):
            if one.person_id != owners[one.id]:
                moved[one.key] = owners[one.id]
                left[one.person_key] = one.person_id
    if not moved:
        return
    wanted = sorted(set(moved.values()))
    keys = persons.keys_of(connection, form, wanted)
    missing = [_as_named(id, named.get(id)) for id in wanted if id not in keys]
    if missing:
        keys |= persons.insert_many(connection, form, missing, [(0, None)] * len(missing))
    statement = update(faces_table).where(faces_table.c.key == bindparam("face"))
    connection.execute(
        statement.values(person_key=bindparam("owner")),
        [{"face": face, "owner": keys[id]} for face, id in moved.items()],
    )
    gone = [key for key, id in left.items() if is_unnamed(id)]
    for gone_part in _parts(gone):
        connection.execute(delete(persons_table).where(persons_table.c.key.in_(gone_part)))
    collections.count(connection, form.key, persons_more=-len(gone))
    touched = {*left, *keys.values()}
    face_statements.refresh(connection, form, sorted(touched - set(gone)))
    log.advance(connection, form.key, log.Kind.FACES, sorted(touched))


def _as_named(id: str, live: Person | None) -> NewPerson:
    return NewPerson(id) if live is None else NewPerson(id, live.name, live.metadata)


def remove_unnamed(connection: Connection, collection: str, face_ids: Sequence[str]) -> None:
    """Faces of nobody and whom they stood for, in every form; others are left. Raises UnknownCollection."""
    live = collections.row(connection, collection)
    ids = [unnamed_person(id) for id in face_ids]
    for form in (live, *collections.siblings(connection, live)):
        keys = list(persons.keys_of(connection, form, ids).values())
        if not keys:
            continue
        gone = 0
        for part in _parts(keys):
            its_faces = select(faces_table.c.key).where(faces_table.c.person_key.in_(part))
            connection.execute(delete(crops_table).where(crops_table.c.face_key.in_(its_faces)))
            gone += connection.execute(delete(faces_table).where(faces_table.c.person_key.in_(part))).rowcount
            connection.execute(delete(persons_table).where(persons_table.c.key.in_(part)))
        collections.count(connection, form.key, persons_more=-len(keys), faces_more=-gone)
        log.advance(connection, form.key, log.Kind.PERSON_GONE, keys)


def named(connection: Connection, collection: str, after: str | None, limit: int) -> list[Person]:
    """Persons by id, beyond `after`, without those of nobody's faces. Raises UnknownCollection, InvalidRecord."""
    key = collections.row(connection, collection).key
    query = select(persons_table).where(persons_table.c.collection_key == key, not_(_UNNAMED))
    if after is not None:
        check_after(after)
        query = query.where(persons_table.c.id > after)
    found = connection.execute(query.order_by(persons_table.c.id).limit(limit))
    return [persons.record(person) for person in found]


def count_named(connection: Connection, collection: str) -> int:
    """How many persons there are without those of nobody's faces. Raises UnknownCollection."""
    found = collections.row(connection, collection)
    mine = and_(persons_table.c.collection_key == found.key, _UNNAMED)
    unnamed = connection.execute(select(func.count()).select_from(persons_table).where(mine)).scalar_one()
    return int(found.persons) - int(unnamed)


def _of_person() -> Any:
    return faces_table.c.person_key == persons_table.c.key


def _records() -> Select[Any]:
    columns = (
        faces_table.c.key,
        faces_table.c.id,
        faces_table.c.quality,
        faces_table.c.detail,
        faces_table.c.created_at,
        faces_table.c.person_key,
        persons_table.c.id.label("person_id"),
        persons_table.c.collection_key,
    )
    return select(*columns).join(persons_table, _of_person())


def _inside(connection: Connection, collection: int, query: Select[Any]) -> list[Row[Any]]:
    """Rows of one form of a collection. Asked for in the query, SQLite would go through every person of it."""
    return [one for one in connection.execute(query) if one.collection_key == collection]


def _record(found: Row[Any]) -> FaceRecord:
    detail, created = metadata_object(found.detail), clock.moment(found.created_at)
    return FaceRecord(found.id, found.person_id, found.quality, detail, created)


def _row(collection: Row[Any], blob: bytes | None) -> Float32 | None:
    if blob is None:
        return None
    space = searched.space(collection)
    row: Float32 = widened(unpacked([blob], space.dimension, space.precision))[0]
    return row


def _parts(values: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (values[start : start + AT_ONCE] for start in range(0, len(values), AT_ONCE))
