"""What tests of backups share: galleries with something of everything, all rows of a store, writers under way."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import Result
from sqlalchemy import select
from typer.testing import CliRunner

from index.gallery import Gallery
from index.job_records import NewItem, NewJob
from index.records import NewCollection, NewFace, NewPerson, Precision, Receipt
from index.registers import open_store
from index.store.schema import metadata
from serving.cli import app
from serving.client import Client
from serving.keys import gallery_settings
from serving.settings import Settings

CONTRACT, DIMENSION = "contract-a", 64
Rows = dict[str, list[tuple[Any, ...]]]


def settings(home: Path, database: str | None = None) -> Settings:
    return Settings(home=home, database=database or "sqlite")  # type: ignore[arg-type]


def vector(name: str, face: int = 0) -> np.ndarray:
    return np.random.default_rng([*name.encode(), face]).standard_normal(DIMENSION)


def fill(gallery: Gallery, persons: int = 40) -> None:
    """Something in every table, and numbers that were given and are gone."""
    crop = os.urandom(3000)
    for id, precision in (("staff", Precision.FLOAT16), ("guests", Precision.FLOAT32)):
        new = NewCollection(id, CONTRACT, DIMENSION, precision=precision, keep_crops=True)
        gallery.create_collection(new)
        for at in range(persons):
            name = f"{id}-ä{at}"
            faces = [NewFace(vector(name, face), crop=crop, detail={"at": face}) for face in range(2)]
            receipt = Receipt("key", f"{id}{at}", "digest", lambda _: b'{"a": 1}')
            gallery.add_faces(
                id, name, faces, contract_id=CONTRACT, create_person=NewPerson(name, "N ✓"), receipt=receipt
            )
        for at in (0, persons - 1):
            gallery.delete_person(id, f"{id}-ä{at}")
    items = [NewItem(f"i{at}", {"at": at}, os.urandom(5000)) for at in range(9)]
    job = gallery.jobs.create(NewJob("enroll", "staff", open=True), items)
    gallery.jobs.cancel(job.id)


def stored_rows(at: Settings) -> Rows:
    """Every row of every table, by primary key."""
    store = open_store(gallery_settings(at), schema=None)
    try:
        with store.read() as connection:
            return {
                table.name: [
                    tuple(row)
                    for row in connection.execute(select(table).order_by(*table.primary_key.columns))
                ]
                for table in metadata.sorted_tables
            }
    finally:
        store.close()


def command(
    home: Path, *words: object, database: str | None = None, given: bytes | None = None
) -> subprocess.CompletedProcess[bytes]:
    """`cocircle backup …` as a user types it."""
    environment = {**os.environ, "COLUMNS": "300"}
    if database is not None:
        environment["COCIRCLE_DATABASE"] = database
    asked = [sys.executable, "-m", "serving", "backup", *map(str, words), "--home", str(home)]
    return subprocess.run(asked, capture_output=True, timeout=120, env=environment, input=given, check=False)


def asked(home: Path, *words: object, given: bytes | None = None) -> Result:
    """The same in this process."""
    return CliRunner(env={"COLUMNS": "300"}).invoke(
        app, ["backup", *map(str, words), "--home", str(home)], input=given
    )


class Writer(threading.Thread):
    """Enrols and deletes persons of its own, one write after another; knows what was begun and what acknowledged."""

    def __init__(self, url: str, contract: str, dimension: int, name: str) -> None:
        super().__init__()
        self._url, self._contract, self._dimension = url, contract, dimension
        self.person_prefix = name
        self._stopping = threading.Event()
        self._counted = threading.Condition()
        self.begun: list[tuple[str, str]] = []
        """(what, person) of each write in order; at most the last one is not acknowledged."""
        self.acknowledged = 0

    def run(self) -> None:
        with Client(self._url, retries=0) as client:
            for number in range(100_000):
                if self._stopping.is_set():
                    return
                person = f"{self.person_prefix}-{number}"
                self._write("enrol", person, client)
                if number % 3 == 2:
                    self._write("delete", f"{self.person_prefix}-{number - 1}", client)

    def _write(self, what: str, person: str, client: Client) -> None:
        self.begun.append((what, person))
        if what == "enrol":
            templates = [template(person, self._dimension).tolist()]
            client.enrol_templates("staff", person, templates, self._contract, create=True)
        else:
            client.delete_person("staff", person)
        with self._counted:
            self.acknowledged += 1
            self._counted.notify_all()

    def wait_for(self, writes: int) -> None:
        with self._counted:
            assert self._counted.wait_for(lambda: self.acknowledged >= writes, 60)

    def stop(self) -> None:
        self._stopping.set()
        self.join(60)

    def after(self, writes: int) -> set[str]:
        """Whom the gallery holds of this writer after so many of its writes."""
        held: set[str] = set()
        for what, person in self.begun[:writes]:
            (held.add if what == "enrol" else held.remove)(person)
        return held


def template(person: str, dimension: int) -> np.ndarray:
    row = np.random.default_rng(list(person.encode())).standard_normal(dimension)
    return row / np.linalg.norm(row)
