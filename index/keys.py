"""The keys of one store, which every process on it shares; knows no scope and makes no secret."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from index.audit import Audit
from index.audit_records import Action, Note
from index.errors import InvalidRecord
from index.key_records import StoredKey
from index.record_rules import check_name
from index.store import keys
from index.store.base import TemplateStore

GRANT = re.compile(r"[A-Za-z0-9_.-]{1,255}|[A-Za-z0-9_.-]{0,254}\*")
GRANTS = 1000


class Keys:
    """Keys of one store. Safe for any number of threads and processes. Raises StoreUnavailable everywhere."""

    def __init__(self, store: TemplateStore, audit: Audit) -> None:
        self._store = store
        self._audit = audit

    def valid(self) -> list[StoredKey]:
        """Every key that is not revoked, oldest first, the expired ones included."""
        with self._store.read() as connection:
            return keys.valid(connection)

    def add(self, new: StoredKey) -> None:
        """Raises InvalidRecord, also for an id that was given before."""
        check_key(new)
        with self._store.write() as connection:
            if not keys.insert_one(connection, new):
                raise InvalidRecord(f"the key id {new.id!r} was given before")
            self._audit.append(connection, [Note(Action.KEY_CREATED, about=new.id)])

    def take_over(self, older: Sequence[StoredKey]) -> int:
        """Adds keys that were kept elsewhere, but those whose ids were ever given here; how many that were."""
        with self._store.write() as connection:
            new = [one for one in older if keys.insert_one(connection, one)]
            notes = [Note(Action.KEY_CREATED, about=one.id, outcome="taken_over") for one in new]
            self._audit.append(connection, notes)
        return len(new)

    def revoke(self, id: str) -> bool:
        """False where there is no such key, or no longer."""
        with self._store.write() as connection:
            if not keys.revoke(connection, id):
                return False
            self._audit.append(connection, [Note(Action.KEY_REVOKED, about=id)])
        return True

    def used(self, moments: Mapping[str, int]) -> None:
        """When keys were last used, microseconds since 1970 by id."""
        if moments:
            with self._store.work() as connection:
                keys.used(connection, moments)


def check_key(new: StoredKey) -> None:
    """Raises InvalidRecord for a name, grant or rate that no key can have."""
    check_name(new.name)
    if new.collections is not None:
        if not 1 <= len(new.collections) <= GRANTS:
            raise InvalidRecord(
                f"a key is granted 1..{GRANTS} collections, or all of them, not {len(new.collections)}"
            )
        for one in new.collections:
            if not GRANT.fullmatch(one):
                raise InvalidRecord(
                    f"the grant {one[:80]!r} is neither a collection's name nor a prefix of names that ends in '*'"
                )
    if new.rate is not None and not (math.isfinite(new.rate) and 0 < new.rate <= 1e6):
        raise InvalidRecord(f"the rate {new.rate} is outside 0..1000000 requests a second; 0 itself is none")
