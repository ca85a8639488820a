"""Enrolments by job in real processes that are killed, race, are interrupted or find no room: the end is the same."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from evaluation.datasets.att import AttPhoto
from index.gallery import Gallery, GallerySettings
from index.job_records import JobState, NewJob
from index.records import NewCollection
from serving.jobs.enrolling.options import EnrollOptions
from serving.service import Service
from serving.settings import Settings
from tests.serving.jobs.enroll_child import BATCH
from tests.serving.jobs.enroll_kit import CONTRACT, DIMENSION, do_all, fill, made_service, make_job, state

PEOPLE, PHOTOS = 30, 10
ITEMS = PEOPLE * PHOTOS


@contextmanager
def child(home: Path, mode: str, what: object) -> Iterator[subprocess.Popen[str]]:
    words = [sys.executable, "-m", "tests.serving.jobs.enroll_child", str(home), mode, str(what)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COCIRCLE_LOG_LEVEL": "error"}
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def killed(home: Path, mode: str, job: str, after: int, delay: float) -> int | None:
    """How far the job was when its process was killed, `delay` seconds after so many more items; None at its end."""
    with child(home, mode, job) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first, process.stderr and process.stderr.read()
        settled = first_settled = int(first)
        while settled < first_settled + after and (line := process.stdout.readline()):
            settled = int(line)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(delay)
        if process.poll() is not None:
            return None
        process.send_signal(signal.SIGKILL)
        return settled


def finished(home: Path, mode: str, job: str) -> None:
    with child(home, mode, job) as process:
        _, errors = process.communicate(timeout=250)
        assert process.returncode == 0, errors


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("made") / "people", PEOPLE, PHOTOS)


@pytest.fixture(scope="module")
def undisturbed(people: Path) -> dict[str, Any]:
    """What a job that nothing happens to leaves behind."""
    with made_service(people.parent / "undisturbed") as service:
        make_job(service, source={"kind": "folder", "path": str(people)})
        do_all(service)
        return state(service.gallery)


def waiting_job(home: Path, people: Path) -> str:
    """A gallery at `home` with a job that nobody works on yet."""
    options = EnrollOptions.model_validate({"source": {"kind": "folder", "path": str(people)}})
    with Gallery.open(GallerySettings(path=home / "gallery", background=False)) as gallery:
        gallery.create_collection(NewCollection("people", CONTRACT, DIMENSION))
        return gallery.jobs.create(NewJob("enroll", "people", options=options.model_dump(mode="json"))).id


def half_way(gallery: Gallery) -> None:
    """Returns when the only job has settled items. Asks a gallery that is open already: opening one takes a while."""
    until = monotonic() + 60
    while not any(job.settled for job in gallery.jobs.page()):
        assert monotonic() < until
        gallery.jobs.wait(0.01)


def check_end(home: Path, job: str, expected: dict[str, Any], attempts: int = 1) -> None:
    with Gallery.open(GallerySettings(path=home / "gallery", background=False)) as gallery:
        found = gallery.jobs.get(job)
        assert (found.state, found.items, found.done) == (JobState.DONE, ITEMS, ITEMS)
        assert (found.result["enrolled"], found.result["already"]) == (ITEMS, 0)
        assert state(gallery) == expected
        assert max(item.attempts for item in gallery.jobs.items(job, limit=ITEMS)) <= attempts


@pytest.mark.slow
def test_an_enrolment_killed_three_times_ends_as_one_that_nothing_happened_to(
    tmp_path: Path, people: Path, undisturbed: dict[str, Any]
) -> None:
    home = tmp_path / "home"
    job = waiting_job(home, people)
    chance = random.Random(20260301)
    kills = [
        killed(home, "work", job, chance.choice((1, BATCH, 3 * BATCH)), chance.uniform(0, 0.05))
        for _ in range(3)
    ]
    assert None not in kills
    finished(home, "work", job)
    check_end(home, job, undisturbed, attempts=4)


def test_two_processes_that_race_for_one_job_enrol_each_photo_once(
    tmp_path: Path, people: Path, undisturbed: dict[str, Any]
) -> None:
    home = tmp_path / "home"
    job = waiting_job(home, people)
    with child(home, "work", job) as one, child(home, "work", job) as other:
        for process in (one, other):
            _, errors = process.communicate(timeout=60)
            assert process.returncode == 0, errors
    check_end(home, job, undisturbed)


def test_an_enrolment_waits_while_the_disk_is_full_and_loses_and_doubles_nothing(
    tmp_path: Path, people: Path, undisturbed: dict[str, Any]
) -> None:
    home = tmp_path / "home"
    job = waiting_job(home, people)
    with child(home, "full", job) as process:
        told, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    word, settled = told.split()
    assert word == "full"
    assert int(settled) < ITEMS, "it was full before the end"
    check_end(home, job, undisturbed, attempts=2)


def test_an_interrupted_command_says_how_to_go_on_and_the_same_command_goes_on(
    tmp_path: Path, people: Path, undisturbed: dict[str, Any]
) -> None:
    home = tmp_path / "home"
    with made_service(home) as service, child(home, "slowly", people) as process:
        half_way(service.gallery)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    with Gallery.open(GallerySettings(path=home / "gallery", background=False)) as gallery:
        (job,) = gallery.jobs.page()
        assert f"job {job.id} keeps {job.settled} of" in errors
        assert job.settled < ITEMS
        assert {item.attempts for item in gallery.jobs.items(job.id, limit=ITEMS)} <= {0, 1}
    with child(home, "command", people) as process:
        told, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    report = json.loads(told)
    assert (report["job"], report["enrolled"], report["already"], report["persons"]) == (
        job.id,
        ITEMS,
        0,
        PEOPLE,
    )
    check_end(home, job.id, undisturbed)


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_twenty_kills_among_real_photos_leave_no_trace(tmp_path: Path, att_photos: list[AttPhoto]) -> None:
    root = tmp_path / "people"
    for photo in att_photos:
        target = root / f"s{photo.person}" / f"{photo.number}.pgm"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(photo.path, target)
    ends = []
    for name, kills in (("undisturbed", 0), ("killed", 20)):
        home = tmp_path / name
        service = Service.open(Settings(home=home, threads=1))
        service.gallery.create_collection(
            NewCollection("people", service.pack.contract_id, service.pack.dimension)
        )
        job = make_job(service, source={"kind": "folder", "path": str(root)}, quality="none").id
        service.close()
        chance = random.Random(20260302)
        for _ in range(kills):
            assert killed(home, "work-real", job, chance.choice((0, 1)), chance.uniform(0, 0.3)) is not None
        finished(home, "work-real", job)
        with Gallery.open(GallerySettings(path=home / "gallery", background=False)) as gallery:
            assert gallery.jobs.get(job).state is JobState.DONE
            ends.append(state(gallery, rounded=2))
    assert ends[0] == ends[1]
