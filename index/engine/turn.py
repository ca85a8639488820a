"""What an engine outside the process needs of its surroundings: a turn at changing a collection; no lock of its own."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from index.errors import EngineUnavailable


class TurnTaken(EngineUnavailable):
    """Another process is changing the same collection's index."""


class Turn(Protocol):
    """Held by one process at a time, as long as the block lasts."""

    def confirm(self) -> None:
        """Raises StoreUnavailable where the turn was lost meanwhile: another process may have changed the same."""
        ...


class Turns(Protocol):
    """Turns at collections, by name; among all processes that share a store."""

    def __call__(self, name: str, *, wait: bool = True) -> AbstractContextManager[Turn]:
        """Raises TurnTaken where another holds it for too long, or at all if not `wait`; StoreUnavailable."""
        ...
