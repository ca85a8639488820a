"""What one form of a collection lacks of what the live one holds; reads inside the transaction it is given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, or_, select

from index.errors import UnknownForm
from index.record_rules import metadata_object
from index.records import KeptFace, Lacking, Role
from index.store import clock, collections, log, persons
from index.store.schema import crops as crops_table
from index.store.schema import faces as faces_table
from index.store.schema import persons as persons_table


def row(connection: Connection, id: str, role: Role, contract_id: str | None = None) -> Row[Any]:
    """The row of one form, of that contract where one is given. Raises UnknownCollection, UnknownForm."""
    live = collections.row(connection, id)
    for form in (live, *collections.siblings(connection, live)):
        if form.role == role and contract_id in (None, form.contract_id):
            return form
    of = "" if contract_id is None else f" of contract {contract_id!r}"
    raise UnknownForm(f"collection {id!r} has no {role} form{of}; it may have been exchanged or discarded")


def touched(connection: Connection, id: str, role: Role, since: int | None = None) -> tuple[int, list[str]]:
    """The revision now, and the persons of the live form that changed since the other form was in step, or `since`."""
    live, other = collections.row(connection, id), row(connection, id, role)
    keys = log.touched_persons(connection, live.key, other.synced if since is None else since)
    named = persons.names(connection, keys)
    return log.revision(connection), sorted(id for id, _ in named.values())


def differing(
    connection: Connection, id: str, role: Role, contract_id: str
) -> tuple[int, dict[str, list[str]]]:
    """The revision now, and every person of the live form whom the other lacks or has otherwise, with the ids of the
    faces it lacks. All are compared: nothing that was noted before is relied on.
    """
    live, other = collections.row(connection, id), row(connection, id, role, contract_id)
    mine, theirs = persons_table.alias("mine"), persons_table.alias("theirs")
    same = and_(theirs.c.collection_key == other.key, theirs.c.id == mine.c.id)
    otherwise = or_(
        theirs.c.key.is_(None), theirs.c.name != mine.c.name, theirs.c.metadata != mine.c.metadata
    )
    people = (
        select(mine.c.id)
        .select_from(mine.outerjoin(theirs, same))
        .where(mine.c.collection_key == live.key, otherwise)
    )
    found: dict[str, list[str]] = {person: [] for person in connection.execute(people).scalars()}
    had, has = faces_table.alias("had"), faces_table.alias("has")
    kept = and_(has.c.person_key == theirs.c.key, has.c.id == had.c.id)
    lacked = (
        select(mine.c.id, had.c.id)
        .select_from(
            mine.join(had, had.c.person_key == mine.c.key).outerjoin(theirs, same).outerjoin(has, kept)
        )
        .where(mine.c.collection_key == live.key, has.c.key.is_(None))
    )
    for person, face in connection.execute(lacked):
        found.setdefault(person, []).append(face)
    return log.revision(connection), found


def lacking(
    connection: Connection,
    id: str,
    role: Role,
    person_ids: Sequence[str],
    contract_id: str | None = None,
) -> list[Lacking]:
    """What a form lacks of some persons of the live one; those it holds as they are come with changed=False."""
    live, other = collections.row(connection, id), row(connection, id, role, contract_id)
    there = persons.keys_of(connection, other, person_ids)
    absent = persons.keys_of(connection, live, [person for person in person_ids if person not in there])
    whole = _whole(connection, absent)
    return [
        Lacking(person, whole[person], changed=True)
        if person in whole
        else _lacking(connection, live, other, person)
        for person in person_ids
    ]


def _whole(connection: Connection, keys: dict[str, int]) -> dict[str, list[KeptFace]]:
    """Every face of persons of the live form, by their ids."""
    owners = {key: person for person, key in keys.items()}
    whole: dict[str, list[KeptFace]] = {person: [] for person in keys}
    for owner, face in _kept(connection, faces_table.c.person_key, list(owners)):
        whole[owners[owner]].append(face)
    return whole


def _lacking(connection: Connection, live: Row[Any], other: Row[Any], id: str) -> Lacking:
    mine, theirs = persons.find(connection, live, id), persons.find(connection, other, id)
    if mine is None:
        return Lacking(id, (), changed=theirs is not None)
    have = {} if theirs is None else face_keys(connection, theirs.key)
    wanted = face_keys(connection, mine.key)
    missing = [key for face, key in wanted.items() if face not in have]
    same = theirs is not None and (theirs.name, theirs.metadata) == (mine.name, mine.metadata)
    changed = bool(missing) or not same or bool(surplus(other, wanted, have))
    kept = [face for _, face in _kept(connection, faces_table.c.key, missing)]
    return Lacking(id, kept, changed)


def surplus(other: Row[Any], wanted: dict[str, int], have: dict[str, int]) -> list[int]:
    """Faces that a form being made has of a person and the live one has not.

    A previous form keeps its own: what is deleted is so in every form at once, so they are faces of which the live
    form was made without a template, and going back brings them back.
    """
    return [have[face] for face in have if face not in wanted] if other.role == Role.NEXT else []


def face_keys(connection: Connection, person: int) -> dict[str, int]:
    """Id and number of each face of a person by number."""
    query = select(faces_table.c.id, faces_table.c.key).where(faces_table.c.person_key == person)
    return {face: int(key) for face, key in connection.execute(query)}


def _kept(
    connection: Connection, column: ColumnElement[int], keys: Sequence[int]
) -> Iterator[tuple[int, KeptFace]]:
    """Faces of which `column` is among `keys`, each after the number of its person, in order of enrolment."""
    for start in range(0, len(keys), persons.AT_ONCE):
        query = (
            select(faces_table, crops_table.c.image)
            .outerjoin(crops_table, crops_table.c.face_key == faces_table.c.key)
            .where(column.in_(keys[start : start + persons.AT_ONCE]))
            .order_by(faces_table.c.key)
        )
        for one in connection.execute(query):
            yield (
                int(one.person_key),
                KeptFace(
                    one.id,
                    one.quality,
                    metadata_object(one.detail),
                    one.source,
                    one.image,
                    clock.moment(one.created_at),
                ),
            )


def changed_since(
    connection: Connection, id: str, role: Role, contract_id: str, revision: int, differing: Sequence[str]
) -> list[Lacking]:
    """What a form lacks, where at a revision it held all but some persons of the live one. Raises UnknownForm."""
    _, changed = touched(connection, id, role, revision)
    wanted = sorted({*changed, *differing})
    return [one for one in lacking(connection, id, role, wanted, contract_id) if one.changed]
