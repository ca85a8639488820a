"""Several changes of the gallery in one transaction, for what must be written together with what a job records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from index.job_records import Outcome, Values
from index.records import NewFace, Role, Written
from index.store import faces, forms, persons


@dataclass(frozen=True)
class Settlement:
    """What becomes of claimed items, and what was found on the way."""

    outcomes: Sequence[Outcome]
    findings: Sequence[Values] = ()


class Writing:
    """The changes of one transaction. It ends with the call that handed it out."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def known_sources(
        self, collection: str, sources: Sequence[tuple[str, str]]
    ) -> dict[tuple[str, str], str]:
        """Face id of each (person id, source) that is enrolled already. Raises UnknownCollection."""
        return faces.known_sources(self._connection, collection, sources)

    def add_faces(
        self, collection: str, items: Sequence[tuple[str, NewFace]], *, contract_id: str
    ) -> Written:
        """Faces of many persons, who are made where they are missing. Errors as `Gallery.add_faces`."""
        return faces.add_many(self._connection, collection, items, contract_id)

    def remove_person(self, collection: str, person: str) -> None:
        """With every face and crop. Raises UnknownPerson."""
        persons.remove(self._connection, collection, person)

    def remove_face(self, collection: str, person: str, face: str) -> None:
        """The person's template is made anew. Raises UnknownFace."""
        faces.remove(self._connection, collection, person, face)

    def bring(self, collection: str, role: Role, person: str, new: Sequence[NewFace]) -> None:
        """Makes a person of another form what the live one is now; `new` are templates of faces it lacks, by their ids.

        Raises UnknownForm.
        """
        forms.bring(self._connection, collection, role, person, new)
