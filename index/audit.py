"""The audit of one store: what was done to whom by whom, appended in the transaction that did it; decides nothing."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, select

from index.audit_records import FIRST, Actor, Line, Note, Notes, Verdict, Wanted, actor
from index.store import audit, clock
from index.store.base import TemplateStore
from index.store.schema import audit as table


@dataclass(frozen=True)
class Search:
    """What a search came to, who asked, and when (microseconds): to be written later."""

    note: Note
    who: Actor
    at: int


class Audit:
    """Lines of one store, chained by their hashes. Safe for any number of threads and processes.

    A person stands in it as HMAC-SHA256 of collection and person id under `salt` alone, so that forgetting a person
    leaves no id behind, and whoever knows the id (and has the salt) still finds the lines. Raises StoreUnavailable.
    """

    def __init__(self, store: TemplateStore, salt: bytes, *, kept: bool = True) -> None:
        """kept: whether lines are written at all."""
        self._store = store
        self._salt = salt
        self._kept = kept

    def append(self, connection: Connection, notes: Notes) -> None:
        """Writes what the transaction did, as the last thing it does."""
        if self._kept and notes:
            who, now = actor(), clock.now()
            audit.append(connection, [self._values(note, who, now) for note in notes])

    def searched(self, searches: Sequence[Search]) -> None:
        """Writes searches that were answered, in a transaction of their own."""
        if self._kept and searches:
            with self._store.work() as connection:
                audit.append(connection, [self._values(one.note, one.who, one.at) for one in searches])

    def page(self, wanted: Wanted, before: int | None = None, limit: int = 100) -> list[Line]:
        """Newest first, those with a number below `before`."""
        query = self._query(wanted)
        with self._store.read() as connection:
            return audit.page(connection, query, before, limit)

    def lines(self, wanted: Wanted, last: int | None = None) -> Iterator[Line]:
        """In the order they were written, up to the number `last`, or the newest now; read in parts, as asked for."""
        number, end = 0, self.newest()[0] if last is None else last
        query = self._query(wanted).where(table.c.number <= end)
        while True:
            with self._store.read() as connection:
                part = audit.page_after(connection, query, number)
            if not part:
                return
            yield from part
            number = part[-1].number

    def newest(self) -> tuple[int, str]:
        """Number and hash of the newest line; 0 and zeros where there is none."""
        with self._store.read() as connection:
            return audit.head(connection)

    def verify(self, expected: tuple[int, str] | None = None) -> Verdict:
        """Recomputes the chain from its first line. expected: number and hash of a line that was seen before.

        Finds what was changed, removed, put in between, or cut off at the end; not a chain that was made anew as a
        whole by somebody who may write to the database: only a line kept elsewhere and `expected` shows that.
        """
        number, end = self.newest()
        before, at = FIRST, 0
        for line in self.lines(Wanted(), number):
            at += 1
            if line.number != at:
                return Verdict(number, end, f"line {at} is missing: line {line.number} follows line {at - 1}")
            before = line.follows(before)
            if not hmac.compare_digest(before, line.hash):
                return Verdict(number, end, f"line {at} is not as it was written, or a line before it is not")
            if expected is not None and expected[0] == at and expected[1] != before:
                return Verdict(number, end, f"line {at} has the hash {before}, not {expected[1]}")
        if (at, before) != (number, end):
            return Verdict(number, end, f"the last line is {at}, it should be {number} with the hash {end}")
        if expected is not None and expected[0] > number:
            return Verdict(number, end, f"line {expected[0]} was expected, the last line is {number}")
        return Verdict(number, end, None)

    def subject(self, collection: str | None, person: str) -> str:
        """How a person of a collection stands in the lines: 64 hexadecimal digits."""
        # A collection's id holds no NUL: no two pairs make one text.
        told = f"{collection or ''}\0{person}".encode(errors="surrogatepass")
        return hmac.digest(self._salt, told, hashlib.sha256).hex()

    def _values(self, note: Note, who: Actor, at: int) -> dict[str, Any]:
        return {
            "at": at,
            "actor": who.id,
            "action": str(note.action),
            "collection": note.collection,
            "subject": None if note.person is None else self.subject(note.collection, note.person),
            "about": note.about,
            "outcome": note.outcome,
            "faces": note.faces,
            "request": who.request,
            "job": note.job or who.job,
        }

    def _query(self, wanted: Wanted) -> Select[Any]:
        query = select(table)
        if wanted.since is not None:
            query = query.where(table.c.at >= clock.microseconds(wanted.since))
        if wanted.until is not None:
            query = query.where(table.c.at < clock.microseconds(wanted.until))
        if wanted.person is not None:
            query = query.where(table.c.subject == self.subject(wanted.collection, wanted.person))
        for name in ("action", "collection", "actor"):
            value = getattr(wanted, name)
            if value is not None:
                query = query.where(table.c[name] == value)
        return query
