"""A process that enrols by job, for tests that kill, interrupt or starve one.

    python -m tests.serving.jobs.enroll_child HOME work JOB | work-real JOB | full JOB | command SOURCE

It says on its output how far the job is.
"""

from __future__ import annotations

import resource
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from index.errors import StoreUnavailable
from index.job_records import ACTIVE
from serving.jobs.kinds.enroll import Enroll
from serving.jobs.worker import Worker
from serving.logs import start_logging
from serving.service import Service
from serving.settings import Settings
from tests.serving.jobs.enroll_kit import MadeAnalyzer, made_service

SECONDS_A_BATCH = 0.02
BATCH = 16


def work(service: Service, job: str) -> None:
    """Works on everything until this job has ended."""
    kind = Enroll()
    kind.batch = BATCH
    worker = Worker(service, {Enroll.name: kind}, 2)
    worker.start()
    jobs, told = service.gallery.jobs, -1
    while (found := jobs.get(job)).state in ACTIVE:
        if found.settled > told:
            told = found.settled
            print(told, flush=True)
        jobs.wait(0.02)
    worker.stop()


def work_on_a_full_disk(service: Service, job: str) -> None:
    """No file may grow until a claim could not be written; then there is room again."""
    gallery, refused = service.gallery, threading.Event()
    settle = gallery.settle

    def watched(*given: Any) -> Any:
        try:
            return settle(*given)
        except StoreUnavailable:
            refused.set()
            raise

    gallery.settle = watched  # type: ignore[method-assign]
    largest = max(file.stat().st_size for file in service.settings.folder.rglob("*") if file.is_file())
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest + 60_000, hard))
    kind = Enroll()
    kind.batch = BATCH
    worker = Worker(service, {Enroll.name: kind}, 2)
    worker.start()
    assert refused.wait(30)
    print("full", gallery.jobs.get(job).settled, flush=True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    while gallery.jobs.get(job).state in ACTIVE:
        gallery.jobs.wait(0.02)
    worker.stop()


def command(home: Path, source: str, seconds_a_batch: float) -> None:
    """`cocircle enroll SOURCE -c people --json`, with a made model."""
    from serving.cli import app

    opened: list[AbstractContextManager[Service]] = []

    def open_made(_: Settings) -> Service:
        opened.append(made_service(home, MadeAnalyzer(seconds_a_batch)))
        return opened[0].__enter__()

    Service.open = open_made  # type: ignore[method-assign, assignment]
    app(["enroll", source, "-c", "people", "--home", str(home), "--json"])


def main(home: Path, mode: str, what: str) -> None:
    # A shell that starts tests in the background has their processes ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    start_logging("error")
    if mode in ("command", "slowly"):
        command(home, what, SECONDS_A_BATCH if mode == "command" else 20 * SECONDS_A_BATCH)
    elif mode == "work-real":
        service = Service.open(Settings(home=home, threads=1))
        work(service, what)
        service.close()
    else:
        how: dict[str, Callable[[Service, str], None]] = {"work": work, "full": work_on_a_full_disk}
        with made_service(home, MadeAnalyzer(SECONDS_A_BATCH)) as made:
            how[mode](made, what)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
