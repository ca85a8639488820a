"""Statements about the next and previous form of a collection: begun, brought in step, exchanged with the live one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from index.errors import FormConflict, UnknownForm
from index.record_rules import metadata_object
from index.records import KeptFace, Lacking, NewFace, NewPerson, Role, Sibling
from index.store import clock, collections, faces, log, persons
from index.store.schema import collections as collections_table
from index.store.schema import crops as crops_table
from index.store.schema import faces as faces_table
from index.store.schema import persons as persons_table


def row(connection: Connection, id: str, role: Role) -> Row[Any]:
    """The row of one form. Raises UnknownCollection, UnknownForm."""
    live = collections.row(connection, id)
    if role is Role.LIVE:
        return live
    for sibling in collections.siblings(connection, live):
        if sibling.role == role:
            return sibling
    raise UnknownForm(f"collection {id!r} has no {role} form")


def all_of(connection: Connection, id: str) -> list[Sibling]:
    """The forms beside the live one. Raises UnknownCollection."""
    found = collections.siblings(connection, collections.row(connection, id))
    return [
        Sibling(Role(one.role), one.contract_id, one.dimension, one.synced, one.whole, one.persons, one.faces)
        for one in found
    ]


def begin(connection: Connection, id: str, contract_id: str, dimension: int) -> None:
    """An empty next form of the live one's settings; one of the same contract that is there already is left.

    Raises UnknownCollection, FormConflict.
    """
    live = collections.row(connection, id)
    if live.contract_id == contract_id:
        raise FormConflict(f"collection {id!r} has contract {contract_id!r} already")
    for sibling in collections.siblings(connection, live):
        if sibling.role == Role.NEXT and sibling.contract_id == contract_id:
            return
        if sibling.role == Role.NEXT:
            raise FormConflict(
                f"collection {id!r} has a next form already, of contract {sibling.contract_id!r}; discard it first"
            )
    same = {
        name: getattr(live, name)
        for name in ("id", "fusion", "search", "precision", "keep_crops", "metadata")
    }
    key = connection.execute(
        insert(collections_table).values(
            **same,
            contract_id=contract_id,
            dimension=dimension,
            created_at=clock.now(),
            revision=0,
            persons=0,
            faces=0,
            role=str(Role.NEXT),
            synced=log.revision(connection),
            whole=False,
        )
    ).inserted_primary_key
    assert key is not None
    log.advance(connection, key[0], log.Kind.COLLECTION)


def discard(connection: Connection, id: str, role: Role) -> None:
    """Removes the next or previous form with all it holds. Raises UnknownForm, FormConflict for the live one."""
    if role is Role.LIVE:
        raise FormConflict("the live form of a collection is deleted with the collection, not discarded")
    collections.remove_row(connection, row(connection, id, role))


def touched(connection: Connection, id: str, role: Role) -> tuple[int, list[str]]:
    """The revision now, and the persons of the live form that changed since the other form was in step."""
    live, other = collections.row(connection, id), row(connection, id, role)
    keys = log.touched_persons(connection, live.key, other.synced)
    named = persons.names(connection, keys)
    return log.revision(connection), sorted(id for id, _ in named.values())


def in_step(connection: Connection, id: str, role: Role, revision: int) -> None:
    """The form holds all that the live one held at a revision."""
    other = row(connection, id, role)
    connection.execute(
        update(collections_table)
        .where(collections_table.c.key == other.key)
        .values(synced=revision, whole=True)
    )


def lacking(connection: Connection, id: str, role: Role, person_ids: Sequence[str]) -> list[Lacking]:
    """What a form lacks of some persons of the live one; those it holds as they are come with changed=False."""
    live, other = collections.row(connection, id), row(connection, id, role)
    return [_lacking(connection, live, other, person) for person in person_ids]


def _lacking(connection: Connection, live: Row[Any], other: Row[Any], id: str) -> Lacking:
    mine, theirs = persons.find(connection, live, id), persons.find(connection, other, id)
    if mine is None:
        return Lacking(id, (), changed=theirs is not None)
    have = {} if theirs is None else _keys(connection, theirs.key)
    wanted = _keys(connection, mine.key)
    missing = [key for face, key in wanted.items() if face not in have]
    same = theirs is not None and (theirs.name, theirs.metadata) == (mine.name, mine.metadata)
    changed = bool(missing) or not same or any(face not in wanted for face in have)
    return Lacking(id, _kept(connection, missing), changed)


def _keys(connection: Connection, person: int) -> dict[str, int]:
    query = select(faces_table.c.id, faces_table.c.key).where(faces_table.c.person_key == person)
    return {face: int(key) for face, key in connection.execute(query)}


def _kept(connection: Connection, keys: Sequence[int]) -> list[KeptFace]:
    found: list[KeptFace] = []
    for start in range(0, len(keys), persons.AT_ONCE):
        query = (
            select(faces_table, crops_table.c.image)
            .outerjoin(crops_table, crops_table.c.face_key == faces_table.c.key)
            .where(faces_table.c.key.in_(keys[start : start + persons.AT_ONCE]))
            .order_by(faces_table.c.key)
        )
        found.extend(
            KeptFace(
                one.id,
                one.quality,
                metadata_object(one.detail),
                one.source,
                one.image,
                clock.moment(one.created_at),
            )
            for one in connection.execute(query)
        )
    return found


def bring(connection: Connection, id: str, role: Role, person_id: str, new: Sequence[NewFace]) -> None:
    """Makes a person of a form what the live one is now, with templates of faces it lacks where `new` has them.

    `new` says the ids of the faces; those that the live person has no longer, or the form has already, are left out.
    """
    live, other = collections.row(connection, id), row(connection, id, role)
    mine, theirs = persons.find(connection, live, person_id), persons.find(connection, other, person_id)
    if mine is None:
        if theirs is not None:
            persons.remove_row(connection, other, theirs)
        return
    if theirs is None:
        key = persons.insert_one(
            connection, other, NewPerson(person_id, mine.name, metadata_object(mine.metadata))
        )
    else:
        key = int(theirs.key)
        named = {"name": mine.name, "metadata": mine.metadata}
        connection.execute(update(persons_table).where(persons_table.c.key == key).values(**named))
    wanted, have = _keys(connection, mine.key), _keys(connection, key)
    surplus = [have[face] for face in have if face not in wanted]
    if surplus:
        faces.remove_rows(connection, other, key, surplus)
    fresh = [face for face in new if face.id in wanted and face.id not in have]
    faces.add_to_row(connection, other, key, person_id, fresh)


def exchange(connection: Connection, id: str, role: Role) -> list[Lacking]:
    """Makes a form the live one, and the live one the previous; nothing happens where it is not in step.

    Returns what it lacks, [] when they were exchanged. Raises UnknownForm, and FormConflict where it never was in step,
    or would take the place of a previous form that is still kept.
    """
    live, other = collections.row(connection, id), row(connection, id, role)
    if not other.whole:
        raise FormConflict(f"the {role} form of collection {id!r} does not hold everybody yet")
    revision, changed = touched(connection, id, role)
    lacks = [one for one in lacking(connection, id, role, changed) if one.changed]
    if lacks:
        return lacks
    if role is Role.NEXT and any(one.role == Role.PREVIOUS for one in collections.siblings(connection, live)):
        raise FormConflict(f"collection {id!r} still keeps its previous form; discard it first")
    _become(connection, live.key, "leaving", revision)
    _become(connection, other.key, str(Role.LIVE), 0)
    _become(connection, live.key, str(Role.PREVIOUS), revision)
    for form in (live, other):
        log.advance(connection, form.key, log.Kind.COLLECTION)
    return []


def _become(connection: Connection, key: int, role: str, synced: int) -> None:
    connection.execute(
        update(collections_table).where(collections_table.c.key == key).values(role=role, synced=synced)
    )
