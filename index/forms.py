"""The forms of a collection under two contracts: begun beside the live one, brought in step, exchanged, discarded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection

from index.records import Lacking, NewFace, Role, Sibling
from index.store import forms
from index.store.base import TemplateStore

Embed = Callable[[Sequence[Lacking]], dict[str, list[NewFace]]]
"""Templates of the faces that some persons lack, by person."""


class Forms:
    """How a collection changes its model contract without a moment in which it is not whole.

    A search of the live form never sees the others. What is deleted or merged in the live form is so in every form at
    once, so that a forgotten person is in none; what is enrolled is brought to the others by whoever makes them.
    """

    def __init__(self, store: TemplateStore, write: Callable[[Callable[[Connection], Any]], Any]) -> None:
        self._store = store
        self._write = write

    def siblings(self, collection: str) -> list[Sibling]:
        """The forms beside the live one. Raises UnknownCollection."""
        with self._store.read() as connection:
            return forms.all_of(connection, collection)

    def begin(self, collection: str, contract_id: str, dimension: int) -> None:
        """An empty next form; one of the same contract that is there already is left. Raises FormConflict."""
        self._write(lambda c: forms.begin(c, collection, contract_id, dimension))

    def discard(self, collection: str, role: Role) -> None:
        """Removes the next or previous form with all it holds. Raises UnknownForm, FormConflict."""
        self._write(lambda c: forms.discard(c, collection, role))

    def lacking(self, collection: str, role: Role, persons: Sequence[str]) -> list[Lacking]:
        """What a form lacks of some persons of the live one. Raises UnknownForm."""
        with self._store.read() as connection:
            return forms.lacking(connection, collection, role, persons)

    def touched(self, collection: str, role: Role) -> tuple[int, list[Lacking]]:
        """The revision now, and what a form lacks of persons that changed since it was in step. Raises UnknownForm."""
        with self._store.read() as connection:
            revision, changed = forms.touched(connection, collection, role)
            found = forms.lacking(connection, collection, role, changed)
            return revision, [one for one in found if one.changed]

    def in_step(self, collection: str, role: Role, revision: int) -> None:
        """The form was found to hold all that the live one held at a revision. Raises UnknownForm."""
        self._write(lambda c: forms.in_step(c, collection, role, revision))

    def exchange(self, collection: str, role: Role, embed: Embed, at_most: int = 16) -> bool:
        """Makes a form the live one in one transaction; the live one is kept as the previous.

        Up to `at_most` persons that changed meanwhile are embedded while writers wait, so that it comes to an end
        under steady writes; with more nothing is done and False returned. Raises UnknownForm, FormConflict.
        """

        def change(connection: Connection) -> bool:
            lacks = forms.exchange(connection, collection, role)
            if not lacks:
                return True
            if len(lacks) > at_most:
                return False
            made = embed(lacks)
            for one in lacks:
                forms.bring(connection, collection, role, one.person_id, made.get(one.person_id, []))
            return not forms.exchange(connection, collection, role)

        return bool(self._write(change))
