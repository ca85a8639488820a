"""Real worker processes killed with -9: another one takes over at once what they held, and nothing is done twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import pytest

from index.gallery import Gallery, GallerySettings
from index.job_records import Job, JobState, NewJob
from index.records import NewCollection
from tests.serving.jobs.fake import CONTRACT

AT_ONCE = 20.0
"""Seconds; a lease lasts 60."""


class Child:
    """A process of tests.serving.jobs.worker_child; `step` is where it stops until it is killed."""

    def __init__(self, home: Path, step: str | None = None) -> None:
        words = [
            sys.executable,
            "-m",
            "tests.serving.jobs.worker_child",
            str(home),
            *([step] if step else []),
        ]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.wait_for("holding" if step else "started")

    def wait_for(self, word: str) -> None:
        assert self._process.stdout is not None
        while (line := self._process.stdout.readline().strip()) != word:
            assert line, "the process ended"

    def kill(self) -> None:
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait(30)

    def stop(self) -> int:
        if self._process.poll() is None:
            assert self._process.stdin is not None
            self._process.stdin.close()
        status = self._process.wait(60)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        return status


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    with Gallery.open(GallerySettings(path=tmp_path / "gallery", background=False)) as opened:
        opened.create_collection(NewCollection("people", CONTRACT, 8))
        yield opened


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Callable[..., Child]]:
    started: list[Child] = []

    def begin(step: str | None = None) -> Child:
        started.append(Child(tmp_path, step))
        return started[-1]

    yield begin
    for one in started:
        one.stop()


def made(gallery: Gallery, count: int) -> str:
    return gallery.jobs.create(NewJob("enroll", "people", options={"count": count})).id


def ended(gallery: Gallery, id: str) -> Job:
    end = monotonic() + AT_ONCE
    while gallery.jobs.get(id).ended_at is None:
        assert monotonic() < end, "it was not taken over at once"
        gallery.jobs.wait(0.05)
    return gallery.jobs.get(id)


@pytest.mark.parametrize("step", ["plan", "work", "finish"])
def test_another_living_process_takes_over_at_once_what_a_killed_one_held(
    gallery: Gallery, child: Callable[..., Child], step: str
) -> None:
    id = made(gallery, 10)
    dying = child(step)
    child()
    dying.kill()
    job = ended(gallery, id)
    assert (job.state, job.items, job.done) == (JobState.DONE, 10, 10)
    assert gallery.collection("people").faces == 10
    assert (job.result, len(gallery.jobs.items(id))) == ({"seen": 10}, 10)


def test_a_process_that_starts_later_takes_over_at_once(
    gallery: Gallery, child: Callable[..., Child]
) -> None:
    id = made(gallery, 10)
    dying = child("work")
    dying.kill()
    assert gallery.jobs.get(id).done == 0
    child()
    job = ended(gallery, id)
    assert (job.state, job.done) == (JobState.DONE, 10)
    assert gallery.collection("people").faces == 10


def test_two_processes_share_a_job_and_do_each_item_once(
    gallery: Gallery, child: Callable[..., Child]
) -> None:
    id = made(gallery, 300)
    one, other = child(), child()
    assert ended(gallery, id).done == 300
    assert gallery.collection("people").faces == 300
    assert {item.attempts for item in gallery.jobs.items(id, limit=300)} == {1}
    assert (one.stop(), other.stop()) == (0, 0)
