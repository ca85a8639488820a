"""Statements that walk through the persons of a collection in parts which stay the same while it changes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, Row, and_, func, select

from index.carried import Span
from index.store.schema import faces, persons


def spans(connection: Connection, collection: Row[Any], size: int) -> list[Span]:
    """Spans of `size` numbers that hold a person now, ascending. They begin at multiples of `size`, whoever comes and
    goes, so that a span listed today is the one listed tomorrow.
    """
    number = persons.c.key // size
    query = select(number.label("number")).where(persons.c.collection_key == collection.key).distinct()
    found = sorted(int(one) for one in connection.execute(query).scalars())
    return [Span(one * size, one * size + size - 1) for one in found]


def inside(collection: Row[Any], span: Span) -> ColumnElement[bool]:
    """Whether a row of `persons` is of the collection and in the span.

    The sum keeps databases from walking through the whole collection by its index: the span alone is narrow.
    """
    mine = persons.c.collection_key + 0 == collection.key
    return and_(mine, persons.c.key.between(span.first, span.last))


def named(connection: Connection, collection: Row[Any], span: Span, prefix: str) -> dict[int, str]:
    """Number and id of each person of a span whose id begins with `prefix`, ascending by number."""
    query = select(persons.c.key, persons.c.id).where(inside(collection, span)).order_by(persons.c.key)
    if prefix:
        query = query.where(persons.c.id.startswith(prefix, autoescape=True))
    return {int(key): id for key, id in connection.execute(query)}


def with_faces(connection: Connection, collection: Row[Any]) -> NDArray[np.int64]:
    """(n,) int64, ascending: numbers of the persons who have a face."""
    query = select(persons.c.key).where(persons.c.collection_key == collection.key, persons.c.faces > 0)
    return np.sort(np.fromiter(connection.execute(query).scalars(), np.int64))


def copies(connection: Connection, collection: Row[Any]) -> Sequence[tuple[str, str]]:
    """(source, person id) of every photo that two or more persons were enrolled from, by source, then by person."""
    mine = and_(persons.c.collection_key == collection.key, faces.c.source.is_not(None))
    owned = (
        select(faces.c.source, persons.c.id).join(persons, faces.c.person_key == persons.c.key).where(mine)
    )
    pairs = owned.distinct().subquery()
    twice = select(pairs.c.source).group_by(pairs.c.source).having(func.count(pairs.c.id) > 1)
    query = select(pairs.c.source, pairs.c.id).where(pairs.c.source.in_(twice))
    return sorted((str(source), str(id)) for source, id in connection.execute(query))
