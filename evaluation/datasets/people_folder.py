"""Anybody's own photos, a folder a person: which image shows whom, and pairs drawn of them; embeds nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evaluation.datasets.images import DatasetError, ImageSet, open_images
from evaluation.datasets.lfw import person_of
from evaluation.datasets.pairs import FOLDS, Pair


@dataclass(frozen=True)
class PeopleFolder:
    """Images `Person/file.jpg` in a folder or tar. aligned: they are 112x112 crops, to be taken as they are.

    people: the names of the folders, sorted.
    """

    images: ImageSet
    aligned: bool

    @property
    def people(self) -> tuple[str, ...]:
        return tuple(sorted({person_of(name) for name in self.images.names}))

    @property
    def described(self) -> str:
        """What was measured on, with its digest."""
        kind = "aligned crops" if self.aligned else "photos"
        return f"{len(self.images.names)} {kind} of {len(self.people)} people, SHA-256 {self.images.digest}"


def open_people(source: Path, *, aligned: bool = False) -> PeopleFolder:
    """The images of a folder or tar laid out as `Person/file.jpg`; deeper folders are not looked into.

    DatasetError where there are none, or they show only one person.
    """
    folder = PeopleFolder(open_images(source), aligned)
    if len(folder.people) < 2:
        raise DatasetError(
            f"{source} shows one person alone, {folder.people[0]}; put the photos of each person into a folder of "
            "their own"
        )
    return folder


def drawn_pairs(names: Sequence[str], *, folds: int = FOLDS, seed: int = 0) -> tuple[Pair, ...]:
    """Pairs in the manner of LFW from images `Person/file`: in each fold, of people who are in no other, a genuine pair
    of each person with two images, and as many impostor pairs, along a ring of the fold's people.

    Few pairs share a person, so that they are nearly independent. There are fewer folds where there are fewer people.
    DatasetError with fewer than four people with two images.
    """
    draw = np.random.default_rng(seed)
    images: dict[str, list[str]] = {}
    for name in sorted(names):
        images.setdefault(person_of(name), []).append(name)
    several = sorted(person for person, own in images.items() if len(own) > 1)
    folds = min(folds, len(several) // 2)
    if folds < 2:
        raise DatasetError(
            f"{len(several)} people have two photos or more; pairs in two folds need four such people"
        )
    order = [several[at] for at in draw.permutation(len(several))]
    pairs = []
    for fold in range(folds):
        people = order[fold::folds]
        for at, person in enumerate(people):
            one, other = draw.choice(len(images[person]), 2, replace=False)
            pairs.append(Pair(images[person][one], images[person][other], True, fold))
            neighbour = people[(at + 1) % len(people)]
            left, right = (images[who][draw.integers(len(images[who]))] for who in (person, neighbour))
            pairs.append(Pair(left, right, False, fold))
    return tuple(pairs)
