"""What a backup, a restore and forgetting cost, on SQLite: `python -m benchmarks.backup --persons 20000`.

By the clock, and in seconds of a processor, which other work on the machine changes far less.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time

import numpy as np

from index.gallery import Gallery
from index.records import NewCollection, NewFace
from serving import backup
from serving.keys import gallery_settings
from serving.settings import Settings

DIMENSION = 512
DELETED = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--persons", type=int, default=20_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), given.persons)


def measure(folder: Path, persons: int) -> None:
    settings = Settings(home=folder / "one")
    rows = np.random.default_rng(1).standard_normal((persons, DIMENSION)).astype(np.float32)
    with Gallery.open(gallery_settings(settings)) as gallery:
        gallery.create_collection(NewCollection("c", "contract", DIMENSION))
        items = ((f"person-{at}", NewFace(row)) for at, row in enumerate(rows))
        for _ in gallery.enroll_templates("c", items, contract_id="contract"):
            pass
        gallery.snapshot("c")
        file = folder / "one.backup"
        wall, cpu = timed(lambda: backup.back_up(settings, file, unseen))
        size = file.stat().st_size / 1e6
        print(f"backup   {persons / wall:8,.0f} persons/s, {persons / cpu:8,.0f} a CPU second, {size:.1f} MB")
        with file.open("rb") as opened:
            to = Settings(home=folder / "two")
            wall, cpu = timed(lambda: backup.restore_from(to, opened, unseen))
        print(f"restore  {persons / wall:8,.0f} persons/s, {persons / cpu:8,.0f} a CPU second")
        for secure in (True, False, True, False):
            wall, cpu = (1000 * seconds / DELETED for seconds in deletions(gallery, secure, DELETED))
            print(
                f"deletion {wall:8.2f} ms, {cpu:8.2f} CPU ms, secure_delete {'on' if secure else 'off'}",
                flush=True,
            )
        wall, cpu = timed(gallery.forget)
        stored = (folder / "one/gallery/gallery.sqlite3").stat().st_size / 1e6
        print(f"forget   {wall:8.2f} s, {cpu:8.2f} CPU s, of a database of {stored:.1f} MB")


def deletions(gallery: Gallery, secure: bool, count: int) -> tuple[float, float]:
    """Seconds, and of a processor, for deleting the first persons, each durably."""
    names = [person.id for person in gallery.persons("c", None, count)]
    for connection in pool(gallery):
        connection.execute(f"PRAGMA secure_delete = {'ON' if secure else 'OFF'}")

    def remove() -> None:
        for name in names:
            gallery.delete_person("c", name)

    return timed(remove)


def pool(gallery: Gallery) -> list[sqlite3.Connection]:
    """The one connection that a single thread uses."""
    with gallery._store.read() as connection:
        raw = connection.connection.driver_connection
        assert isinstance(raw, sqlite3.Connection)
        return [raw]


def timed(work: Callable[[], object]) -> tuple[float, float]:
    begun, used = perf_counter(), process_time()
    work()
    return perf_counter() - begun, process_time() - used


def unseen(done: int, of: int) -> None:
    pass


if __name__ == "__main__":
    main()
