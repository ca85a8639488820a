"""A gallery in a process of its own that does as it is told, a line at a time, and answers each with one line."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from index.gallery import Gallery, GallerySettings
from index.records import NewCollection, NewFace, NewPerson
from index.store import collections, persons
from tests.index.enrolling_child import DIMENSION, template


def enrol(gallery: Gallery, name: str) -> int:
    faces = [NewFace(template(name))]
    return gallery.add_faces(
        "c", name, faces, contract_id="a", create_person=NewPerson(name), exist_ok=True
    ).revision


def enrol_many(gallery: Gallery, prefix: str, count: int) -> list[int]:
    return [enrol(gallery, f"{prefix}-{n}") for n in range(count)]


def found(gallery: Gallery, name: str) -> list[str]:
    hits = gallery.identify("c", np.array([template(name)]), contract_id="a", threshold=0.99)
    return [candidate.person_id for candidate in hits[0]]


def make(gallery: Gallery) -> None:
    gallery.create_collection(NewCollection("c", "a", DIMENSION))


def die_inside_a_write(gallery: Gallery, name: str) -> None:
    """Says so in the middle of a transaction, and waits there for the end."""
    with gallery._store.write() as connection:
        persons.insert_one(connection, collections.row(connection, "c"), NewPerson(name))
        print("inside", flush=True)
        sys.stdin.readline()


def main() -> None:
    folder, database = Path(sys.argv[1]), sys.argv[2]
    with Gallery.open(GallerySettings(folder, database=database)) as gallery:
        print("ready", flush=True)
        for line in sys.stdin:
            match line.split():
                case ["make"]:
                    print(make(gallery), flush=True)
                case ["enrol", name]:
                    print(enrol(gallery, name), flush=True)
                case ["enrol-many", prefix, count]:
                    print(*enrol_many(gallery, prefix, int(count)), flush=True)
                case ["find", name]:
                    print(*found(gallery, name), flush=True)
                case ["die-inside", name]:
                    die_inside_a_write(gallery, name)


if __name__ == "__main__":
    main()
