"""kill -9 while enrolling: every acknowledged face is found again, no half-write is, and it starts by itself."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from index.audit_records import Wanted
from index.gallery import Gallery, GallerySettings
from index.records import NewCollection
from tests.index.conftest import BOTH_STORES
from tests.index.enrolling_child import DIMENSION, template

ROOT = Path(__file__).parents[2]


def run_and_kill(folder: Path, database: str | None, run: int, lines: int, delay: float) -> list[str]:
    """What the child had written when it was killed, `delay` seconds after its line of that number."""
    command = [sys.executable, "-m", "tests.index.enrolling_child", str(folder), f"run{run}"]
    if database is not None:
        command.append(database)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=environment) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        written = [child.stdout.readline() for _ in range(lines)]
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(delay)
        child.send_signal(signal.SIGKILL)
        written += child.stdout.read().splitlines(keepends=True)
    return [line.rstrip("\n") for line in written if line.endswith("\n")]


def check(folder: Path, database: str | None, lines: list[str], kept: set[str]) -> None:
    """Opens the gallery and holds it against what was acknowledged; adds to `kept` what must stay."""
    gone, unsure = set(), set()
    for line in lines:
        what, *names = line.split()
        if what == "added":
            kept.update(names)
        else:
            kept.difference_update(names)
            (gone if what == "deleted" else unsure).update(names)
    with Gallery.open(GallerySettings(folder, background=False, database=database)) as gallery:
        assert all(state.ready for state in gallery.readiness())
        persons = {person.id: person for person in gallery.persons("c", None, 1_000_000)}
        names = sorted(kept)
        probes = np.array([template(name) for name in names]).reshape(-1, DIMENSION)
        hits = gallery.identify("c", probes, contract_id="a", threshold=0.99)
        assert [[c.person_id for c in hit] for hit in hits] == [[name] for name in names]
        assert not gone & persons.keys()
        for name, person in persons.items():
            assert person.faces == (2 if "single" in name else 1), "a person without all of their faces"
        batches: dict[str, int] = {}
        for name in persons:
            if "bulk" in name:
                batch = name.rpartition("-")[0]
                batches[batch] = batches.get(batch, 0) + 1
        assert set(batches.values()) <= {20}, "half a batch"
        collection = gallery.collection("c")
        assert collection.persons == len(persons)
        assert collection.faces == sum(person.faces for person in persons.values())
        check_audit(gallery, collection.faces)
        if database is None:
            check_file(gallery)
        assert not unsure & kept
        # What was not acknowledged may be there as a whole: from now on it has to stay.
        kept.update(persons)


def check_audit(gallery: Gallery, faces: int) -> None:
    """Every write that is there has its line, and no line is of a write that is not."""
    assert gallery.audit.verify().damage is None
    counted = {"enrol": 0, "delete_person": 0, "delete_face": 0}
    for line in gallery.audit.lines(Wanted(collection="c")):
        if line.action in counted:
            counted[line.action] += line.faces
    assert counted["enrol"] - counted["delete_person"] - counted["delete_face"] == faces


def check_file(gallery: Gallery) -> None:
    with gallery._store.read() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
        assert connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall() == []


def kill_often(folder: Path, database: str | None, times: int, seed: int) -> None:
    with Gallery.open(GallerySettings(folder, background=False, database=database)) as gallery:
        gallery.create_collection(NewCollection("c", "a", DIMENSION))
    rng = np.random.default_rng(seed)
    kept: set[str] = set()
    for run in range(times):
        lines = run_and_kill(folder, database, run, int(rng.geometric(0.1)) - 1, float(rng.exponential(0.02)))
        check(folder, database, lines, kept)


@pytest.mark.slow
@BOTH_STORES
def test_a_killed_enrolment_keeps_every_acknowledged_face(tmp_path, database):
    kill_often(tmp_path, database, times=10 if database is None else 4, seed=int.from_bytes(os.urandom(4)))


@pytest.mark.slow
@pytest.mark.timeout(900)
@BOTH_STORES
def test_fifty_killed_enrolments_keep_every_acknowledged_face(tmp_path, database):
    kill_often(tmp_path, database, times=50, seed=int.from_bytes(os.urandom(4)))
