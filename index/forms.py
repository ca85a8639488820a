"""The forms of a collection under two contracts: begun beside the live one, brought in step, exchanged, discarded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection

from index.audit_records import Action, Note, Noted
from index.job_records import Claim
from index.records import Lacking, NewFace, Role, Sibling
from index.store import forms, jobs, lacking
from index.store.base import TemplateStore

Embed = Callable[[Sequence[Lacking]], dict[str, list[NewFace]]]
"""Templates of the faces that some persons lack, by person."""


class Forms:
    """How a collection changes its model contract without a moment in which it is not whole.

    A search of the live form never sees the others. What is deleted or merged in the live form is so in every form at
    once, so that a forgotten person is in none; what is enrolled is brought to the others by whoever makes them.
    """

    def __init__(
        self, store: TemplateStore, write: Callable[[Callable[[Connection], Any], Noted], Any]
    ) -> None:
        self._store = store
        self._write = write

    def siblings(self, collection: str) -> list[Sibling]:
        """The forms beside the live one. Raises UnknownCollection."""
        with self._store.read() as connection:
            return forms.all_of(connection, collection)

    def begin(self, collection: str, contract_id: str, dimension: int) -> None:
        """An empty next form; one of the same contract that is there already is left. Raises FormConflict."""
        noted = _noted(collection, Role.NEXT, "begun")
        self._write(lambda c: forms.begin(c, collection, contract_id, dimension), noted)

    def discard(self, collection: str, role: Role) -> None:
        """Removes the next or previous form with all it holds. Raises UnknownForm, FormConflict."""
        noted = _noted(collection, role, "discarded")
        self._write(lambda c: forms.discard(c, collection, role), noted)

    def thin(self, collection: str, role: Role, contract_id: str, claim: Claim, at_most: int = 200) -> bool:
        """As discard, some persons at a time and for a job that must still be held: True when nothing is left.

        Raises UnknownForm, FormConflict, LeaseLost.
        """

        def change(connection: Connection) -> bool:
            jobs.held(connection, claim)
            return forms.thin(connection, collection, role, contract_id, at_most)

        return bool(self._write(change, _noted_if_done(collection, role, "discarded")))

    def lacking(
        self, collection: str, role: Role, persons: Sequence[str], contract_id: str | None = None
    ) -> list[Lacking]:
        """What a form (of that contract, where one is given) lacks of some persons of the live one.

        Raises UnknownForm.
        """
        with self._store.read() as connection:
            return lacking.lacking(connection, collection, role, persons, contract_id)

    def differing(self, collection: str, role: Role, contract_id: str) -> tuple[int, dict[str, list[str]]]:
        """The revision now, and every person whom a form lacks or has otherwise than the live one, with the ids of the
        faces it lacks. Compares all of both. Raises UnknownForm.
        """
        with self._store.read() as connection:
            return lacking.differing(connection, collection, role, contract_id)

    def touched(self, collection: str, role: Role) -> tuple[int, list[Lacking]]:
        """The revision now, and what a form lacks of persons that changed since it was in step. Raises UnknownForm."""
        with self._store.read() as connection:
            revision, changed = lacking.touched(connection, collection, role)
            found = lacking.lacking(connection, collection, role, changed)
            return revision, [one for one in found if one.changed]

    def in_step(self, collection: str, role: Role, revision: int) -> None:
        """The form was found to hold all that the live one held at a revision. Raises UnknownForm."""
        self._write(
            lambda c: forms.in_step(c, collection, role, revision), _noted(collection, role, "in_step")
        )

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

        return bool(self._write(change, _noted_if_done(collection, role, "exchanged")))

    def exchange_for(
        self,
        claim: Claim,
        collection: str,
        role: Role,
        contract_id: str,
        compared: tuple[int, Sequence[str]],
        embed: Embed,
        *,
        at_most: int,
        drop_missing: bool,
    ) -> bool:
        """As exchange, for a job that must still be held, of a form that was found `differing`.

        compared: the revision of that, and the persons who differed. at_most: faces to embed while writers wait. With
        drop_missing, faces of which `embed` gives nothing are left out of the form. Raises UnknownForm, FormConflict,
        LeaseLost.
        """

        def change(connection: Connection) -> bool:
            jobs.held(connection, claim)
            lacks = lacking.changed_since(connection, collection, role, contract_id, *compared)
            if sum(max(1, len(one.faces)) for one in lacks) > at_most:
                return False
            made = embed(lacks) if lacks else {}
            if not drop_missing and any(len(made.get(one.person_id, ())) < len(one.faces) for one in lacks):
                return False
            for one in lacks:
                forms.bring(
                    connection, collection, role, one.person_id, made.get(one.person_id, ()), contract_id
                )
            forms.become_live(connection, collection, role)
            return True

        return bool(self._write(change, _noted_if_done(collection, role, "exchanged")))


def _noted(collection: str, role: Role, outcome: str) -> Noted:
    note = Note(Action.REEMBED, collection, about=str(role), outcome=outcome)
    return lambda _: [note]


def _noted_if_done(collection: str, role: Role, outcome: str) -> Noted:
    note = Note(Action.REEMBED, collection, about=str(role), outcome=outcome)
    return lambda done: [note] if done else []
