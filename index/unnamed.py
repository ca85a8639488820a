"""How the person is called who stands for one face of nobody: a face enrolled before it is known whose it is."""

from __future__ import annotations

import re

PREFIX = "face:"
_UNNAMED = re.compile(rf"{PREFIX}[0-9a-f]{{32}}")


def unnamed_person(face_id: str) -> str:
    """The id of the person who has this face and no other, until the face is given to somebody."""
    return PREFIX + face_id


def is_unnamed(person_id: str) -> bool:
    """Whether a person stands for a face of nobody. Nobody else may be called so."""
    return _UNNAMED.fullmatch(person_id) is not None
