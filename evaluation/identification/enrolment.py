"""Who is enrolled by which photo, and which photos probe, drawn by a seed from labelled photos; compares nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evaluation.identification.open_set import Int64


@dataclass(frozen=True)
class Enrolment:
    """Numbers of photos, rising. gallery: one of each enrolled person. mated: the other photos of the enrolled.

    strangers: all photos of the people who are not enrolled.
    """

    gallery: Int64
    mated: Int64
    strangers: Int64

    @property
    def probes(self) -> Int64:
        """Mated and strangers' photos."""
        return np.sort(np.concatenate([self.mated, self.strangers]))


def draw_enrolment(people: Int64, *, not_enrolled: float = 0.0, seed: int = 0) -> Enrolment:
    """people: (N,) the person of each photo. not_enrolled: the share of people, 0..1, left out of the gallery.

    It is drawn apart among those with one photo and those with several, so that both are halved alike by one half. The
    gallery photo of a person does not depend on the share. ValueError without photos or where nobody is enrolled.
    """
    if people.ndim != 1 or not people.size:
        raise ValueError(f"an enrolment needs at least one photo; people has the shape {people.shape}")
    if not 0.0 <= not_enrolled <= 1.0:
        raise ValueError(f"the share of people who are not enrolled lies in 0..1; it is {not_enrolled}")
    rng = np.random.default_rng(seed)
    persons, person = np.unique(people, return_inverse=True)
    shuffled = rng.permutation(people.size)
    _, first = np.unique(person[shuffled], return_index=True)
    chosen = shuffled[first]  # (persons,) one photo each
    photos = np.bincount(person)
    outside = np.zeros(persons.size, np.bool_)
    for group in (np.flatnonzero(photos == 1), np.flatnonzero(photos > 1)):
        outside[rng.permutation(group)[: round(not_enrolled * group.size)]] = True
    if outside.all():
        raise ValueError(f"of {persons.size} people none is enrolled at a share of {not_enrolled}")
    gallery = np.sort(chosen[~outside])
    others = np.setdiff1d(np.flatnonzero(~outside[person]), gallery)
    return Enrolment(gallery, others, np.flatnonzero(outside[person]))
