"""Identities with their groups of faces, as numbers of records; judges nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.curation.across import Groups
from training.curation.features import Features
from training.curation.within import Household

Records = NDArray[np.int64]
"""(n,) numbers of records."""


@dataclass(frozen=True)
class Home:
    """One identity that has faces.

    identity: its class. faces: (n,) records, ascending, that `found` speaks of by their places."""

    identity: int
    faces: Records
    found: Household


def groups_of(homes: Sequence[Home], features: Features) -> Groups:
    """All groups of all identities."""
    identity: list[int] = []
    members: list[Records] = []
    for home in homes:
        for group in home.found.groups:
            identity.append(home.identity)
            members.append(home.faces[group])
    centres = np.zeros((len(members), features.dimension), np.float32)
    for at, group in enumerate(members):
        centre = features.rows(group).mean(axis=0)
        centres[at] = centre / max(float(np.linalg.norm(centre)), 1e-12)
    return Groups(np.array(identity, np.int64), members, centres)


def strays_of(homes: Sequence[Home]) -> tuple[Records, NDArray[np.int64]]:
    """The stray faces, (S,), and the identity of each, (S,)."""
    found = [(int(home.faces[stray.place]), home.identity) for home in homes for stray in home.found.strays]
    array = np.array(found, np.int64).reshape(-1, 2)
    return array[:, 0], array[:, 1]


def stray_cosines(homes: Sequence[Home]) -> list[tuple[float, float]]:
    """Of each stray in the same order: its median cosine with the others, and theirs among one another."""
    return [(stray.cosine, stray.agree) for home in homes for stray in home.found.strays]


def support(home: Home | None, record: int) -> int:
    """How many faces of its identity a record agrees with, itself too; 0 for one that is unlike them."""
    if home is None or home.found.doubtful:
        return 0
    place = np.flatnonzero(home.faces == record)
    return max((len(group) for group in home.found.groups if place.size and place[0] in group), default=0)
