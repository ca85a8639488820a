"""What the gallery asks of a store: consistent reads and serialised writes on one SQL connection."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from sqlalchemy import Connection


class TemplateStore(Protocol):
    """The source of truth. The statements themselves stand beside their nouns (collections, persons, faces,
    log).

    They are SQLAlchemy Core without a dialect of their own, so another database needs only another way to
    open it. `sqlite` and `postgres` are the two there are.
    """

    def read(self) -> AbstractContextManager[Connection]:
        """A connection that sees one consistent state from its first statement to the end of the block.

        Raises StoreUnavailable when the database cannot answer.
        """
        ...

    def write(self) -> AbstractContextManager[Connection]:
        """A connection that is the only writer; durable when the block ends, undone when it raises.

        Raises StoreUnavailable when the database is locked, full or unreachable; nothing is written then. Its
        kind CommitUnknown says that this cannot be told.
        """
        ...

    def listen(self, changed: Callable[[], None]) -> None:
        """Calls `changed`, from a thread of the store's, soon after another process committed; until `close`.

        Not every commit is told of, and not every store can tell: whoever follows asks now and then as well.
        """
        ...

    def work(self) -> AbstractContextManager[Connection]:
        """A connection that writes beside the gallery's writers, for rows that it locks itself; else as `write`.

        What it reads is what was committed when each statement began.
        """
        ...

    def revision(self) -> int:
        """The newest committed revision, of any process; 0 in an empty store. Asked at every search."""
        ...

    def tidy(self, *, rewrite: bool) -> bool:
        """Removes what was deleted from the database's journal, as far as that is in our hands; False: not now.

        rewrite: rows were deleted, so that the file itself may hold traces of them. Raises StoreUnavailable.
        """
        ...

    def close(self) -> None:
        """Gives every connection back."""
        ...
