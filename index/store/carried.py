"""Statements that read persons whole, with the bits of their rows, and that put them back into a collection."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, literal, select

from index.carried import CarriedFace, CarriedPerson, Restored, Span
from index.errors import InvalidRecord, InvalidTemplate
from index.record_rules import check_face, check_person, metadata_object
from index.records import NewFace, NewPerson, Precision
from index.store import clock, collections, faces, log, persons
from index.store.schema import crops as crops_table
from index.store.schema import faces as faces_table
from index.store.schema import persons as persons_table
from index.store.spans import inside
from index.template import Rows, stored, unpacked, widened

UNIT = 1e-2
"""How far a stored row's length may lie from 1: half precision moves it by 1e-3 at most."""


def read(
    connection: Connection, collection: Row[Any], span: Span, *, with_crops: bool
) -> list[CarriedPerson]:
    """Everybody in a span, also who has no face, by number."""
    query = select(persons_table).where(inside(collection, span)).order_by(persons_table.c.key)
    samples = _faces(connection, collection, span, with_crops)
    return [
        CarriedPerson(one.id, one.name, metadata_object(one.metadata), samples.get(int(one.key), ()))
        for one in connection.execute(query)
    ]


def _faces(
    connection: Connection, collection: Row[Any], span: Span, with_crops: bool
) -> dict[int, list[CarriedFace]]:
    image = crops_table.c.image if with_crops else literal(None).label("image")
    query = select(faces_table, image).join(persons_table, faces_table.c.person_key == persons_table.c.key)
    if with_crops:
        query = query.outerjoin(crops_table, crops_table.c.face_key == faces_table.c.key)
    query = query.where(inside(collection, span)).order_by(faces_table.c.person_key, faces_table.c.key)
    return {
        int(person): [
            CarriedFace(
                one.id,
                one.quality,
                metadata_object(one.detail),
                clock.moment(one.created_at),
                one.source,
                one.vector,
                one.image,
            )
            for one in group
        ]
        for person, group in groupby(connection.execute(query), key=lambda one: one.person_key)
    }


def restore(
    connection: Connection,
    collection: str,
    new: Sequence[CarriedPerson],
    contract_id: str,
    precision: Precision,
) -> Restored:
    """Makes the persons who are missing, and gives all of them the faces that they lack by their ids.

    Who is there keeps name and metadata. Rows of the collection's precision keep every bit; others are converted.
    Raises UnknownCollection, ContractMismatch, InvalidRecord, InvalidTemplate; nothing is written then.
    """
    found = collections.row_for(connection, collection, contract_id)
    _check(new)
    known = persons.keys_of(connection, found, [person.id for person in new])
    have = _face_ids(connection, list(known.values()))
    lacking = [
        (person, [face for face in person.faces if (known.get(person.id), face.id) not in have])
        for person in new
    ]
    rows = _rows(found, [face.vector for _, some in lacking for face in some], precision)
    keys = {
        **known,
        **_make(connection, found, [one for one in lacking if one[0].id not in known], lacking, rows),
    }
    owners = [(keys[person.id], person.id) for person, some in lacking for _ in some]
    samples = [
        NewFace(row, face.quality, face.detail, face.crop, face.source, face.id, face.created_at)
        for row, face in zip(rows, (face for _, some in lacking for face in some), strict=True)
    ]
    for sample in samples:
        check_face(sample)
    if samples:
        faces.insert_faces(connection, found, owners, samples, rows)
    grown = [known[person.id] for person, some in lacking if some and person.id in known]
    faces.refresh(connection, found, grown)
    log.advance(connection, found.key, log.Kind.FACES, list(keys.values()))
    return Restored(len(keys) - len(known), len(samples))


def _check(new: Sequence[CarriedPerson]) -> None:
    if len({person.id for person in new}) < len(new):
        raise InvalidRecord("one person comes twice")
    for person in new:
        check_person(NewPerson(person.id, person.name))
        if len({face.id for face in person.faces}) < len(person.faces):
            raise InvalidRecord("one person has two faces of the same id")


def _face_ids(connection: Connection, keys: Sequence[int]) -> set[tuple[int, str]]:
    """(person's number, face id) of every face of some persons."""
    found: set[tuple[int, str]] = set()
    for start in range(0, len(keys), persons.AT_ONCE):
        part = keys[start : start + persons.AT_ONCE]
        query = select(faces_table.c.person_key, faces_table.c.id).where(faces_table.c.person_key.in_(part))
        found.update((int(key), id) for key, id in connection.execute(query))
    return found


def _rows(found: Row[Any], vectors: Sequence[bytes], precision: Precision) -> Rows:
    """(n, D) rows at the precision of the collection."""
    rows = unpacked(vectors, found.dimension, precision)
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1)
    wrong = np.flatnonzero(~(np.abs(lengths - 1.0) < UNIT))
    if wrong.size:
        raise InvalidTemplate(f"a stored row has length {lengths[wrong[0]]:.4g}; it must be a unit vector")
    if precision == found.precision:
        return rows
    return stored(widened(rows), Precision(found.precision))


def _make(
    connection: Connection,
    found: Row[Any],
    missing: Sequence[tuple[CarriedPerson, Sequence[CarriedFace]]],
    everybody: Sequence[tuple[CarriedPerson, Sequence[CarriedFace]]],
    rows: Rows,
) -> dict[str, int]:
    """Numbers of the persons made. rows: of the faces of `everybody`, in order."""
    if not missing:
        return {}
    starts, at = {}, 0
    for person, some in everybody:
        starts[person.id] = at
        at += len(some)
    templates = []
    for person, some in missing:
        mine = rows[starts[person.id] : starts[person.id] + len(some)]
        template = faces.template_of(mine, [face.quality for face in some]) if some else None
        templates.append((len(some), template))
    new = [NewPerson(person.id, person.name, person.metadata) for person, _ in missing]
    return persons.insert_many(connection, found, new, templates)
