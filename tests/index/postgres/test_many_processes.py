"""Processes with galleries of their own on one database: what one acknowledged, the others find; kills harm none."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from index.gallery import Gallery, GallerySettings
from index.records import NewCollection, NewPerson
from index.store import log
from index.upkeep import Upkeep
from tests.index.enrolling_child import DIMENSION
from tests.index.postgres.gallery_child import enrol, found
from tests.postgres_server import PostgresServer

ROOT = Path(__file__).parents[3]
SECONDS = 60


class Child:
    """A gallery in another process."""

    def __init__(self, folder: Path, database: str) -> None:
        command = [sys.executable, "-m", "tests.index.postgres.gallery_child", str(folder), database]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        )

    def told(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def answer(self) -> str:
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], SECONDS)[0], "no answer in time"
        return self.process.stdout.readline().rstrip("\n")

    def ask(self, line: str) -> str:
        self.told(line)
        return self.answer()

    def end(self, kill: bool = False) -> int:
        if kill:
            self.process.kill()
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        status = self.process.wait(SECONDS)
        self.process.stdout.close()
        return status


@pytest.fixture
def address(postgres: PostgresServer) -> str:
    return postgres.new_database()


@pytest.fixture
def child(tmp_path: Path, address: str) -> Iterator[Callable[[], Child]]:
    """Starts processes, each on a folder of its own; whatever still runs at the end is killed by its own id."""
    started: list[Child] = []

    def start(folder: str | None = None) -> Child:
        made = Child(tmp_path / (folder or f"child{len(started)}"), address)
        started.append(made)
        return made

    yield start
    for made in started:
        if made.process.poll() is None:
            made.end(kill=True)


@pytest.fixture
def gallery(tmp_path: Path, address: str) -> Iterator[Gallery]:
    with Gallery.open(GallerySettings(tmp_path / "own", database=address)) as made:
        made.create_collection(NewCollection("c", "a", DIMENSION))
        yield made


def test_a_face_enrolled_in_one_process_is_found_in_another_within_a_second(gallery, child):
    other = child()
    assert other.answer() == "ready"
    for name in ("kim", "lee"):
        enrol(gallery, name)
        began = time.monotonic()
        assert other.ask(f"find {name}") == name
        assert time.monotonic() - began < 1
    other.ask("enrol ann")
    assert found(gallery, "ann") == ["ann"]
    gallery.delete_person("c", "ann")
    assert other.ask("find ann") == ""
    assert other.end() == 0


def test_a_replica_follows_before_anybody_asks(tmp_path, address, gallery):
    """With hours between the rounds of its upkeep, only the notice can have told it."""
    settings = GallerySettings(tmp_path / "other", database=address, background=False)
    with Gallery.open(settings) as other:
        upkeep = Upkeep(other._follower, other._engine, other._keys, snapshot_every=1000, seconds=3600)
        follow, followed = other._follower.follow, []

        def counted() -> None:
            follow()
            followed.append(other._follower.applied)
            if followed[-1] >= wanted:
                there.set()

        there, wanted = threading.Event(), gallery.collection("c").revision + 1
        other._follower.follow = counted  # type: ignore[method-assign]
        upkeep.start()
        other._store.listen(upkeep.wake)
        enrol(gallery, "kim")
        assert there.wait(SECONDS)
        upkeep.stop()
        assert all(state.ready for state in other.readiness())


def test_a_process_killed_and_started_again_catches_up(gallery, child):
    enrol(gallery, "kim")
    first = child("its")
    assert first.answer() == "ready"
    assert first.ask("find kim") == "kim"
    first.end(kill=True)
    gallery.delete_person("c", "kim")
    enrol(gallery, "lee")
    second = child("its")
    assert second.answer() == "ready"
    assert second.ask("find lee") == "lee"
    assert second.ask("find kim") == ""


def test_a_writer_killed_inside_its_transaction_leaves_nothing_and_blocks_nobody(gallery, child):
    before = gallery.collection("c")
    writer = child()
    assert writer.answer() == "ready"
    assert writer.ask("die-inside kim") == "inside"
    writer.end(kill=True)
    gallery.create_person("c", NewPerson("lee"))
    after = gallery.collection("c")
    assert [person.id for person in gallery.persons("c")] == ["lee"]
    assert (after.persons, after.revision) == (1, before.revision + 1)


@pytest.mark.slow
def test_four_processes_that_start_on_an_empty_database_and_write_at_once(child, tmp_path, address):
    """The migration is done once, and every revision is given once: none is missing, none is there twice."""
    children = [child() for _ in range(4)]
    assert [one.answer() for one in children] == ["ready"] * 4
    children[0].ask("make")
    for n, one in enumerate(children):
        one.told(f"enrol-many p{n} 12")
    given = sorted(int(number) for one in children for number in one.answer().split())
    assert given == list(range(2, 50))
    with Gallery.open(GallerySettings(tmp_path / "own", database=address)) as gallery:
        assert gallery.collection("c").faces == 48
        for n in range(4):
            assert found(gallery, f"p{n}-11") == [f"p{n}-11"]
        with gallery._store.read() as connection:
            query = "SELECT revision FROM revisions ORDER BY revision"
            assert [key for (key,) in connection.exec_driver_sql(query)] == list(range(1, 50))
            assert log.revision(connection) == 49


def test_processes_that_share_a_folder_share_its_snapshots(gallery, child, tmp_path):
    enrol(gallery, "kim")
    gallery.maintain(snapshot=True)
    other = child("own")
    assert other.answer() == "ready"
    assert other.ask("find kim") == "kim"
    other.ask("enrol lee")
    assert other.end() == 0, "it wrote the snapshot anew, and the one before is in use here"
    assert found(gallery, "kim") == ["kim"]
    gallery.maintain(snapshot=True)
    assert found(gallery, "lee") == ["lee"]
