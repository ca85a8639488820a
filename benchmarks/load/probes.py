"""The photos that clients send, and whom they show; who is enrolled is told here, and done elsewhere."""

from __future__ import annotations

from evaluation.datasets.att import AttPhoto, att_faces

COLLECTION = "load"
ENROLLED = 5
"""Photos of each person that are enrolled; the other five are probes, 200 of all 40 people."""


def enrolled(people: int) -> list[AttPhoto]:
    """The photos that are enrolled of so many people."""
    return [photo for photo in att_faces() if photo.person <= people and photo.number <= ENROLLED]


def probes(people: int) -> list[AttPhoto]:
    """The photos that clients send of so many people; nobody enrolled them."""
    return [photo for photo in att_faces() if photo.person <= people and photo.number > ENROLLED]


def person_id(person: int) -> str:
    """Under which a person of AT&T is enrolled."""
    return f"att-{person}"
