"""Statements about the next and previous form of a collection: begun, brought in step, exchanged with the live one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, insert, or_, select, update

from index.errors import FormConflict, UnknownForm
from index.record_rules import metadata_object
from index.records import KeptFace, Lacking, NewFace, NewPerson, Role, Sibling
from index.store import clock, collections, faces, log, persons
from index.store.schema import collections as collections_table
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


def in_step(connection: Connection, id: str, role: Role, revision: int) -> None:
    """The form holds all that the live one held at a revision."""
    other = row(connection, id, role)
    connection.execute(
        update(collections_table)
        .where(collections_table.c.key == other.key)
        .values(synced=revision, whole=True)
    )


def lacking(
    connection: Connection,
    id: str,
    role: Role,
    person_ids: Sequence[str],
    contract_id: str | None = None,
) -> list[Lacking]:
    """What a form lacks of some persons of the live one; those it holds as they are come with changed=False."""
    live, other = collections.row(connection, id), row(connection, id, role, contract_id)
    return [_lacking(connection, live, other, person) for person in person_ids]


def _lacking(connection: Connection, live: Row[Any], other: Row[Any], id: str) -> Lacking:
    mine, theirs = persons.find(connection, live, id), persons.find(connection, other, id)
    if mine is None:
        return Lacking(id, (), changed=theirs is not None)
    have = {} if theirs is None else _keys(connection, theirs.key)
    wanted = _keys(connection, mine.key)
    missing = [key for face, key in wanted.items() if face not in have]
    same = theirs is not None and (theirs.name, theirs.metadata) == (mine.name, mine.metadata)
    changed = bool(missing) or not same or bool(_surplus(other, wanted, have))
    return Lacking(id, _kept(connection, missing), changed)


def _surplus(other: Row[Any], wanted: dict[str, int], have: dict[str, int]) -> list[int]:
    """Faces that a form being made has of a person and the live one has not.

    A previous form keeps its own: what is deleted is so in every form at once, so they are faces of which the live
    form was made without a template, and going back brings them back.
    """
    return [have[face] for face in have if face not in wanted] if other.role == Role.NEXT else []


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
    wanted, have = _keys(connection, mine.key), _keys(connection, key)
    surplus = _surplus(other, wanted, have)
    if surplus:
        faces.remove_rows(connection, other, key, surplus)
    fresh = [face for face in new if face.id in wanted and face.id not in have]
    faces.add_to_row(connection, other, key, person_id, fresh)


def changed_since(
    connection: Connection, id: str, role: Role, contract_id: str, revision: int, differing: Sequence[str]
) -> list[Lacking]:
    """What a form lacks, where at a revision it held all but some persons of the live one. Raises UnknownForm."""
    _, changed = touched(connection, id, role, revision)
    wanted = sorted({*changed, *differing})
    return [one for one in lacking(connection, id, role, wanted, contract_id) if one.changed]


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
