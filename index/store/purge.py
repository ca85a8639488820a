"""Statements that remove what is older than a moment, in every form of a collection; inside the transaction given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, delete, select

from index.carried import Purged, Span
from index.store import collections, log
from index.store import faces as face_statements
from index.store.persons import AT_ONCE, keys_of
from index.store.schema import crops, faces, persons
from index.store.spans import inside


def old_faces(
    connection: Connection,
    collection: str,
    span: Span,
    before: int,
    *,
    remove_empty: bool,
    dry_run: bool,
    touched: dict[str, tuple[int, bool]] | None = None,
) -> Purged:
    """Removes the faces of a span that were made before a time (microseconds), and those persons whose last face that
    was where `remove_empty`. dry_run: only counts. touched: gets of each person how many faces went, and whether the
    person went with them. Raises UnknownCollection.
    """
    live = collections.row(connection, collection)
    doomed = _old(connection, inside(live, span), before)
    emptied = {key for key, (_, all_faces, gone) in doomed.items() if len(gone) == all_faces}
    purged = Purged(len(emptied) if remove_empty else 0, sum(len(gone) for _, _, gone in doomed.values()))
    if dry_run or not doomed:
        return purged
    ids = [id for id, _, _ in doomed.values()]
    if touched is not None:
        for key, (id, _, gone) in doomed.items():
            touched[id] = (len(gone), remove_empty and key in emptied)
    _purge(connection, live, doomed, remove_empty)
    for form in collections.siblings(connection, live):
        theirs: dict[int, tuple[str, int, list[int]]] = {}
        for part in _parts(list(keys_of(connection, form, ids).values())):
            theirs.update(_old(connection, persons.c.key.in_(part), before))
        _purge(connection, form, theirs, remove_empty)
    return purged


def _purge(
    connection: Connection,
    form: Row[Any],
    doomed: Mapping[int, tuple[str, int, list[int]]],
    remove_empty: bool,
) -> None:
    """Removes old faces of one form, as `_old` found them, and who has none left where `remove_empty`."""
    old = [face for _, _, gone in doomed.values() for face in gone]
    emptied = [key for key, (_, held, gone) in doomed.items() if remove_empty and len(gone) == held]
    _remove_faces(connection, old)
    _remove_persons(connection, emptied)
    face_statements.refresh(connection, form, [key for key in doomed if key not in set(emptied)])
    _count(connection, form, doomed, Purged(len(emptied), len(old)))


def old_persons(
    connection: Connection,
    collection: str,
    span: Span,
    before: int,
    *,
    dry_run: bool,
    touched: dict[str, tuple[int, bool]] | None = None,
) -> Purged:
    """Removes the persons of a span that were not changed since before a time (microseconds), with every face.

    dry_run: only counts. touched: as for old_faces. Raises UnknownCollection.
    """
    live = collections.row(connection, collection)
    query = select(persons.c.key, persons.c.id, persons.c.faces).where(
        inside(live, span), persons.c.updated_at < before
    )
    found = list(connection.execute(query))
    purged = Purged(len(found), sum(int(one.faces) for one in found))
    if dry_run or not found:
        return purged
    if touched is not None:
        touched.update((one.id, (int(one.faces), True)) for one in found)
    for form in (live, *collections.siblings(connection, live)):
        keys = [int(one.key) for one in found]
        if form is not live:
            keys = list(keys_of(connection, form, [one.id for one in found]).values())
        its_faces: list[int] = []
        for part in _parts(keys):
            query = select(faces.c.key).where(faces.c.person_key.in_(part))
            its_faces.extend(int(key) for key in connection.execute(query).scalars())
        _remove_faces(connection, its_faces)
        _remove_persons(connection, keys)
        _count(connection, form, keys, Purged(len(keys), len(its_faces)))
    return purged


def _old(
    connection: Connection, whose: ColumnElement[bool], before: int
) -> dict[int, tuple[str, int, list[int]]]:
    """By person: id, how many faces there are, and the numbers of the old ones; only persons who have an old one."""
    query = (
        select(persons.c.key, persons.c.id, persons.c.faces, faces.c.key.label("face"))
        .join(faces, faces.c.person_key == persons.c.key)
        .where(and_(whose, faces.c.created_at < before))
        .order_by(persons.c.key, faces.c.key)
    )
    found: dict[int, tuple[str, int, list[int]]] = {}
    for one in connection.execute(query):
        found.setdefault(int(one.key), (one.id, int(one.faces), []))[2].append(int(one.face))
    return found


def _remove_faces(connection: Connection, keys: Sequence[int]) -> None:
    for part in _parts(keys):
        connection.execute(delete(crops).where(crops.c.face_key.in_(part)))
        connection.execute(delete(faces).where(faces.c.key.in_(part)))


def _remove_persons(connection: Connection, keys: Iterable[int]) -> None:
    for part in _parts(sorted(keys)):
        connection.execute(delete(persons).where(persons.c.key.in_(part)))


def _count(connection: Connection, form: Row[Any], touched: Iterable[int], purged: Purged) -> None:
    collections.count(connection, form.key, persons_more=-purged.persons, faces_more=-purged.faces)
    log.advance(connection, form.key, log.Kind.FACES_GONE, list(touched))


def _parts(keys: Sequence[int]) -> Iterable[Sequence[int]]:
    return (keys[start : start + AT_ONCE] for start in range(0, len(keys), AT_ONCE))
