"""Makes answers of an engine whole that others change meanwhile: who changed is compared by the store's rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlalchemy import Connection, Row

from index.engine.base import Hits
from index.engine.search import Pool, grouped
from index.store import log, persons, searched
from index.template import Float32, cosines, widened

MOST = 5000
"""Beyond so many changed persons it is quicker to search again."""


class Ghosts(Exception):
    """The engine found somebody who was not there when it was asked, and was not changed since."""


def whole(
    connection: Connection,
    collection: Row[Any],
    since: int,
    probes: Float32,
    hits: Sequence[Hits],
    limit: int,
    threshold: float,
) -> list[Hits] | None:
    """The hits as of the connection's moment, by an engine that had followed up to revision `since` or further.

    None where that cannot be told: whoever comes next, when a changed person falls out, is not known. Raises Ghosts.
    """
    changed = log.touched_persons(connection, collection.key, since)
    if len(changed) > MOST:
        return None
    unchanged = [_without(hit, changed) for hit in hits]
    found = sorted({person for hit in unchanged for person in hit.persons.tolist()})
    if len(persons.names(connection, found)) < len(found):
        raise Ghosts
    if not changed:
        return list(hits)
    fell_out = any(
        len(hit.persons) == limit > len(left.persons) for hit, left in zip(hits, unchanged, strict=True)
    )
    if fell_out:
        return None
    rows = searched.of_persons(connection, searched.space(collection), changed)
    vectors = widened(rows.vectors)
    return [
        grouped(
            [
                Pool(left.persons, left.keys, left.cosines, 0, -2.0, None),
                Pool(rows.persons, rows.keys, cosines(vectors, probe), 0, -2.0, None),
            ],
            limit,
            threshold,
        )
        for left, probe in zip(unchanged, probes, strict=True)
    ]


def _without(hit: Hits, changed: list[int]) -> Hits:
    kept = ~np.isin(hit.persons, changed)
    return Hits(hit.persons[kept], hit.keys[kept], hit.cosines[kept])
