"""Statements about the next and previous form of a collection: begun, brought in step, exchanged with the live one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from index.errors import FormConflict
from index.record_rules import metadata_object
from index.records import Lacking, NewFace, NewPerson, Role, Sibling
from index.store import clock, collections, faces, log, persons
from index.store.lacking import face_keys, lacking, row, surplus, touched
from index.store.schema import collections as collections_table
from index.store.schema import crops as crops_table
from index.store.schema import faces as faces_table
from index.store.schema import persons as persons_table


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


def thin(connection: Connection, id: str, role: Role, contract_id: str, persons_at_most: int) -> bool:
    """Removes some persons of the next or previous form, and the form itself where none was left: then True.

    A form that was begun to be removed is in step with nothing any more. Raises UnknownForm, FormConflict.
    """
    if role is Role.LIVE:
        raise FormConflict("the live form of a collection is deleted with the collection, not discarded")
    found = row(connection, id, role, contract_id)
    query = select(persons_table.c.key).where(persons_table.c.collection_key == found.key)
    keys = list(connection.execute(query.order_by(persons_table.c.key).limit(persons_at_most)).scalars())
    if not keys:
        collections.remove_row(connection, found)
        return True
    gone = 0
    for start in range(0, len(keys), persons.AT_ONCE):
        part = keys[start : start + persons.AT_ONCE]
        its_faces = select(faces_table.c.key).where(faces_table.c.person_key.in_(part))
        connection.execute(delete(crops_table).where(crops_table.c.face_key.in_(its_faces)))
        gone += connection.execute(delete(faces_table).where(faces_table.c.person_key.in_(part))).rowcount
        connection.execute(delete(persons_table).where(persons_table.c.key.in_(part)))
    collections.count(connection, found.key, persons_more=-len(keys), faces_more=-gone)
    connection.execute(
        update(collections_table).where(collections_table.c.key == found.key).values(whole=False)
    )
    log.advance(connection, found.key, log.Kind.PERSON_GONE, keys)
    return False


def in_step(connection: Connection, id: str, role: Role, revision: int) -> None:
    """The form holds all that the live one held at a revision."""
    other = row(connection, id, role)
    connection.execute(
        update(collections_table)
        .where(collections_table.c.key == other.key)
        .values(synced=revision, whole=True)
    )


def bring_many(
    connection: Connection, id: str, role: Role, new: Mapping[str, Sequence[NewFace]], contract_id: str
) -> None:
    """As bring, of many persons; those whom the form does not have at all, which are most, in few statements."""
    live, other = collections.row(connection, id), row(connection, id, role, contract_id)
    there = persons.keys_of(connection, other, list(new))
    absent = persons.keys_of(connection, live, [person for person in new if person not in there])
    if absent:
        _bring_absent(connection, other, absent, new)
    for person, its_faces in new.items():
        if person not in absent:
            bring(connection, id, role, person, its_faces, contract_id)


def _bring_absent(
    connection: Connection, other: Row[Any], absent: dict[str, int], new: Mapping[str, Sequence[NewFace]]
) -> None:
    """absent: persons of the live form, with their numbers there."""
    wanted = set(_owned(connection, list(absent.values())))
    made = [
        (person, face) for person, key in absent.items() for face in new[person] if (key, face.id) in wanted
    ]
    people = _records(connection, list(absent.values()))
    keys = persons.insert_many(connection, other, people, [(0, None)] * len(people))
    faces.add_to_rows(connection, other, keys, made)


def _owned(connection: Connection, keys: Sequence[int]) -> Iterator[tuple[int, str]]:
    """(number of the person, id) of each face of some persons."""
    columns = (faces_table.c.person_key, faces_table.c.id)
    for start in range(0, len(keys), persons.AT_ONCE):
        part = faces_table.c.person_key.in_(keys[start : start + persons.AT_ONCE])
        for owner, face in connection.execute(select(*columns).where(part)):
            yield int(owner), str(face)


def _records(connection: Connection, keys: Sequence[int]) -> list[NewPerson]:
    found: list[NewPerson] = []
    columns = (persons_table.c.id, persons_table.c.name, persons_table.c.metadata)
    for start in range(0, len(keys), persons.AT_ONCE):
        part = persons_table.c.key.in_(keys[start : start + persons.AT_ONCE])
        rows = connection.execute(select(*columns).where(part).order_by(persons_table.c.key))
        found.extend(NewPerson(one.id, one.name, metadata_object(one.metadata)) for one in rows)
    return found


def bring(
    connection: Connection,
    id: str,
    role: Role,
    person_id: str,
    new: Sequence[NewFace],
    contract_id: str | None = None,
) -> None:
    """Makes a person of a form what the live one is now, with templates of faces it lacks where `new` has them.

    `new` says the ids of the faces; those that the live person has no longer, or the form has already, are left out.
    """
    live, other = collections.row(connection, id), row(connection, id, role, contract_id)
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
    wanted, have = face_keys(connection, mine.key), face_keys(connection, key)
    gone = surplus(other, wanted, have)
    if gone:
        faces.remove_rows(connection, other, key, gone)
    fresh = [face for face in new if face.id in wanted and face.id not in have]
    faces.add_to_row(connection, other, key, person_id, fresh)


def exchange(connection: Connection, id: str, role: Role) -> list[Lacking]:
    """Makes a form the live one, and the live one the previous; nothing happens where it is not in step.

    Returns what it lacks, [] when they were exchanged. Raises UnknownForm, and FormConflict where it never was in step,
    or would take the place of a previous form that is still kept.
    """
    other = row(connection, id, role)
    if not other.whole:
        raise FormConflict(f"the {role} form of collection {id!r} does not hold everybody yet")
    _, changed = touched(connection, id, role)
    lacks = [one for one in lacking(connection, id, role, changed) if one.changed]
    if not lacks:
        become_live(connection, id, role)
    return lacks


def become_live(connection: Connection, id: str, role: Role) -> None:
    """Exchanges a form that holds what it is to hold with the live one, which is the previous one from now on.

    Raises UnknownForm, and FormConflict where a previous form is still kept.
    """
    live, other = collections.row(connection, id), row(connection, id, role)
    if role is Role.NEXT and any(one.role == Role.PREVIOUS for one in collections.siblings(connection, live)):
        raise FormConflict(f"collection {id!r} still keeps its previous form; discard it first")
    _become(connection, live.key, "leaving", 0)
    _become(connection, other.key, str(Role.LIVE), 0)
    _become(connection, live.key, str(Role.PREVIOUS), log.revision(connection))
    connection.execute(
        update(collections_table)
        .where(collections_table.c.key == other.key)
        .values(created_at=live.created_at)
    )
    for form in (live, other):
        log.advance(connection, form.key, log.Kind.COLLECTION)


def _become(connection: Connection, key: int, role: str, synced: int) -> None:
    values = {"role": role, "synced": synced, "whole": True}
    connection.execute(update(collections_table).where(collections_table.c.key == key).values(**values))
