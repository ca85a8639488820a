"""The change log: which revision there is, and whose searched rows differ since another one."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from sqlalchemy import Connection, func, insert, select, update

from index.store import clock
from index.store.schema import collections, revisions

KEYS = np.dtype("<i8")


class Kind(StrEnum):
    """What a revision did. Only FACES, FACES_GONE and PERSON_GONE touch searched rows.

    FACES_GONE: faces were deleted; a snapshot of before holds them.
    REBUILD: everybody who follows makes the collection's index anew from the store.
    """

    COLLECTION = "collection"
    COLLECTION_GONE = "collection_gone"
    PERSON = "person"
    PERSON_GONE = "person_gone"
    FACES = "faces"
    FACES_GONE = "faces_gone"
    REBUILD = "rebuild"


@dataclass(frozen=True)
class Changes:
    """persons: keys of those whose searched rows changed, ascending. rebuild: whether somebody asked for that."""

    persons: list[int]
    rebuild: bool


NEWEST = select(func.coalesce(func.max(revisions.c.revision), 0))


def revision(connection: Connection) -> int:
    """The newest revision, 0 in an empty store."""
    return int(connection.execute(NEWEST).scalar_one())


def newest(connection: Connection) -> tuple[int, str | None]:
    """The newest revision and its token; 0 and None in an empty store."""
    query = select(revisions.c.revision, revisions.c.token).order_by(revisions.c.revision.desc()).limit(1)
    found = connection.execute(query).one_or_none()
    return (0, None) if found is None else (int(found.revision), found.token)


def advance(connection: Connection, collection: int, kind: Kind, persons: Sequence[int] = ()) -> int:
    """Writes the next revision into the log; `persons` are the keys whose searched rows changed."""
    following = revision(connection) + 1
    connection.execute(
        insert(revisions).values(
            revision=following,
            collection_key=collection,
            kind=str(kind),
            token=secrets.token_hex(8),
            persons=np.unique(np.array(persons, KEYS)).tobytes(),
            created_at=clock.now(),
        )
    )
    connection.execute(update(collections).where(collections.c.key == collection).values(revision=following))
    return following


def token(connection: Connection, number: int) -> str | None:
    """The random mark of a revision, None where the log has none of that number."""
    found = connection.execute(select(revisions.c.token).where(revisions.c.revision == number))
    return found.scalar_one_or_none()


def touched_collections(connection: Connection, after: int) -> dict[int, int]:
    """Keys of the collections changed after a revision, each with its newest revision."""
    found = connection.execute(
        select(revisions.c.collection_key, func.max(revisions.c.revision))
        .where(revisions.c.revision > after)
        .group_by(revisions.c.collection_key)
    )
    return {int(key): int(newest) for key, newest in found}


def touched_persons(connection: Connection, collection: int, after: int) -> list[int]:
    """Keys of the persons of a collection whose searched rows changed after a revision, ascending."""
    return changes(connection, collection, after).persons


LOSSES = [str(kind) for kind in (Kind.FACES_GONE, Kind.PERSON_GONE, Kind.COLLECTION_GONE)]


def lost(connection: Connection, collection: int | None, after: int) -> bool:
    """Whether faces of a collection, or of any, were deleted after a revision."""
    query = select(revisions.c.revision).where(revisions.c.revision > after, revisions.c.kind.in_(LOSSES))
    if collection is not None:
        query = query.where(revisions.c.collection_key == collection)
    return connection.execute(query.limit(1)).first() is not None


def last_loss(connection: Connection, collection: int) -> int | None:
    """When faces of a collection were last deleted, in microseconds; None where none ever were."""
    query = select(revisions.c.created_at).where(
        revisions.c.collection_key == collection, revisions.c.kind.in_(LOSSES)
    )
    found: int | None = connection.execute(query.order_by(revisions.c.revision.desc()).limit(1)).scalar()
    return found


def changes(connection: Connection, collection: int, after: int) -> Changes:
    """What happened to a collection after a revision."""
    query = select(revisions.c.kind, revisions.c.persons).where(
        revisions.c.collection_key == collection, revisions.c.revision > after
    )
    found = connection.execute(query).all()
    keys: list[int] = np.unique(np.frombuffer(b"".join(one.persons for one in found), KEYS)).tolist()
    return Changes(keys, any(one.kind == Kind.REBUILD for one in found))
