"""Enrols until it is killed, and says on its output what was acknowledged; started by test_killed.py."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from index.gallery import Gallery, GallerySettings
from index.records import NewFace, NewPerson

DIMENSION = 32


def template(person: str) -> np.ndarray:
    """The person's own direction, from the name alone."""
    return np.random.default_rng(list(person.encode())).standard_normal(DIMENSION)


def main() -> None:
    folder, run = Path(sys.argv[1]), sys.argv[2]
    database = sys.argv[3] if len(sys.argv) > 3 else None
    with Gallery.open(GallerySettings(folder, snapshot_every=40, database=database)) as gallery:
        print("ready", flush=True)
        for n in range(1_000_000):
            if n % 3 == 0:
                name = f"{run}-single-{n}"
                faces = [NewFace(template(name)), NewFace(template(name), 0.5)]
                gallery.add_faces("c", name, faces, contract_id="a", create_person=NewPerson(name))
                print("added", name, flush=True)
            elif n % 3 == 1:
                names = [f"{run}-bulk-{n}-{k}" for k in range(20)]
                items = [(name, NewFace(template(name))) for name in names]
                list(gallery.enroll_templates("c", items, contract_id="a"))
                print("added", *names, flush=True)
            else:
                gone = f"{run}-single-{n - 2}"
                print("deleting", gone, flush=True)
                gallery.delete_person("c", gone)
                print("deleted", gone, flush=True)


if __name__ == "__main__":
    main()
