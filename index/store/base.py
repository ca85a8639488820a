"""What the gallery asks of a store: consistent reads and serialised writes on one SQL connection."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from sqlalchemy import Connection


class TemplateStore(Protocol):
    """The source of truth. The statements themselves stand beside their nouns (collections, persons, faces,
    log).

    They are SQLAlchemy Core without a dialect of their own, so another database needs only another way to
    open it.
    """

    def read(self) -> AbstractContextManager[Connection]:
        """A connection that sees one consistent state from its first statement to the end of the block.

        Raises StoreUnavailable when the database cannot answer.
        """
        ...

    def write(self) -> AbstractContextManager[Connection]:
        """A connection that is the only writer; durable when the block ends, undone when it raises.

        Raises StoreUnavailable when the database is locked, full or unreachable; nothing is written then.
        """
        ...

    def revision(self) -> int:
        """The newest committed revision, of any process; 0 in an empty store. Asked at every search."""
        ...

    def close(self) -> None:
        """Gives every connection back."""
        ...
