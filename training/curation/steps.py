"""How long work tells how far it is, whoever shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Advance = Callable[[int], None]
"""So many more are done."""


class Steps(Protocol):
    """Begins a step. total: how many things it is about, None where nobody knows yet; done: those of a run before."""

    def __call__(self, step: str, total: int | None, /, done: int = 0) -> AbstractContextManager[Advance]: ...


@contextmanager
def silent(step: str, total: int | None, /, done: int = 0) -> Iterator[Advance]:
    """Steps that nobody watches."""
    yield lambda more: None
