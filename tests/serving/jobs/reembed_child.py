"""A process that works on jobs of two made packs, for tests that kill one: `python -m … HOME JOB`."""

from __future__ import annotations

import sys
from pathlib import Path

from index.job_records import ACTIVE
from serving.jobs.registry import KINDS
from serving.jobs.worker import Worker
from serving.logs import start_logging
from tests.serving.jobs.reembed_kit import two_packs


def main(home: Path, job: str) -> None:
    """Says on its output how far the job is, until it has ended."""
    start_logging("error")
    with two_packs(home, seconds=0.002) as service:
        worker = Worker(service, KINDS, 2)
        worker.start()
        told = -1
        jobs = service.gallery.jobs
        while (found := jobs.get(job)).state in ACTIVE:
            if found.settled > told:
                told = found.settled
                print(told, flush=True)
            jobs.wait(0.02)
        worker.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
