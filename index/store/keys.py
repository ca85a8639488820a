"""Statements about keys; every function works inside the transaction it is given."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from index.key_records import StoredKey
from index.store import clock
from index.store.schema import keys


def insert_one(connection: Connection, new: StoredKey) -> bool:
    """Adds a key; False, and nothing done, where its id was ever given before."""
    if connection.execute(select(keys.c.id).where(keys.c.id == new.id)).first() is not None:
        return False
    connection.execute(
        insert(keys).values(
            id=new.id,
            name=new.name,
            scope=new.scope,
            hash=new.hash,
            collections=None if new.collections is None else json.dumps(new.collections),
            rate=new.rate,
            created_at=clock.microseconds(new.created_at),
            expires_at=_number(new.expires_at),
            used_at=_number(new.used_at),
        )
    )
    return True


def revoke(connection: Connection, id: str) -> bool:
    """The key is refused from now on; False where there is none that is not."""
    valid = (keys.c.id == id, keys.c.revoked_at.is_(None))
    return connection.execute(update(keys).where(*valid).values(revoked_at=clock.now())).rowcount > 0


def used(connection: Connection, moments: Mapping[str, int]) -> None:
    """When keys were last used, microseconds by id; an earlier moment than the stored one is left out."""
    for id, moment in sorted(moments.items()):
        earlier = keys.c.used_at.is_(None) | (keys.c.used_at < moment)
        connection.execute(update(keys).where(keys.c.id == id, earlier).values(used_at=moment))


def valid(connection: Connection) -> list[StoredKey]:
    """Every key that is not revoked, oldest first; whether one has expired is for its reader to see."""
    query = select(keys).where(keys.c.revoked_at.is_(None)).order_by(keys.c.created_at, keys.c.id)
    return [_record(row) for row in connection.execute(query)]


def _record(row: Row[Any]) -> StoredKey:
    return StoredKey(
        id=row.id,
        name=row.name,
        scope=row.scope,
        hash=row.hash,
        created_at=clock.moment(row.created_at),
        collections=None if row.collections is None else tuple(json.loads(row.collections)),
        rate=row.rate,
        expires_at=_moment(row.expires_at),
        used_at=_moment(row.used_at),
    )


def _number(moment: datetime | None) -> int | None:
    return None if moment is None else clock.microseconds(moment)


def _moment(number: int | None) -> datetime | None:
    return None if number is None else clock.moment(number)
