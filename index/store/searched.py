"""What a vector engine needs from the store: the rows to search, of some persons or of all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row, Select, func, select

from index.engine.base import SearchedRows, Space
from index.records import Fusion, Precision, Search
from index.store.persons import AT_ONCE
from index.store.schema import faces, persons
from index.template import unpacked

BLOCK = 8192
"""Rows read at once in a scan."""


def space(collection: Row[Any]) -> Space:
    """What an engine must know of a collection."""
    return Space(
        key=collection.key,
        contract_id=collection.contract_id,
        dimension=collection.dimension,
        fusion=Fusion(collection.fusion),
        search=Search(collection.search),
        precision=Precision(collection.precision),
    )


def count(connection: Connection, space: Space) -> int:
    """How many rows of a collection are searched."""
    return int(connection.execute(select(func.count()).select_from(_rows(space).subquery())).scalar_one())


def of_persons(connection: Connection, space: Space, keys: Sequence[int]) -> SearchedRows:
    """The rows of some persons as they are now; none for a person who is gone or has no face."""
    found: list[Any] = []
    for start in range(0, len(keys), AT_ONCE):
        query = _rows(space).where(persons.c.key.in_(keys[start : start + AT_ONCE]))
        found.extend(connection.execute(query))
    return _block(space, found)


def scan(connection: Connection, space: Space) -> Iterator[SearchedRows]:
    """Every searched row of a collection in blocks, by person, then by row."""
    result = connection.execute(_rows(space).execution_options(yield_per=BLOCK))
    for found in result.partitions():
        yield _block(space, found)


def _rows(space: Space) -> Select[Any]:
    mine = persons.c.collection_key == space.key
    if space.fusion is Fusion.SAMPLES:
        columns = (persons.c.key, faces.c.key, faces.c.vector)
        query = select(*columns).join(faces, faces.c.person_key == persons.c.key).where(mine)
        return query.order_by(persons.c.key, faces.c.key)
    has_template = persons.c.template.is_not(None)
    return (
        select(persons.c.key, persons.c.key.label("row_key"), persons.c.template)
        .where(mine, has_template)
        .order_by(persons.c.key)
    )


def _block(space: Space, found: Iterable[Any]) -> SearchedRows:
    rows = [tuple(row) for row in found]
    return SearchedRows(
        persons=np.array([row[0] for row in rows], dtype=np.int64),
        keys=np.array([row[1] for row in rows], dtype=np.int64),
        vectors=unpacked([row[2] for row in rows], space.dimension, space.precision),
    )
