"""Persons a CPU second of the kinds of jobs that go through a whole collection, on made templates of the default pack.

    python -m benchmarks.job_kinds [--persons 100000]

Every hundredth person comes twice or more. One thread does a job to its end; what else the machine does is not counted.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from index.job_records import JobState, NewJob
from index.records import NewCollection, NewFace
from serving.jobs.registry import KINDS
from serving.jobs.worker import Worker
from serving.service import Service
from serving.settings import Settings

BATCH = 5000


def people(count: int, dimension: int) -> Iterator[tuple[str, NewFace]]:
    random = np.random.default_rng(0)
    before = None
    for start in range(0, count, BATCH):
        rows = random.normal(size=(BATCH, dimension)).astype(np.float32)
        if before is not None:  # at a cosine of about .96
            rows[::100] = before[::100] + 0.3 * random.normal(size=(BATCH // 100, dimension))
        before = rows
        yield from ((f"unknown-{start + at:07}", NewFace(row)) for at, row in enumerate(rows))


def do(service: Service, kind: str, collection: str, count: int, **options: Any) -> dict[str, Any]:
    valid = KINDS[kind].options.model_validate(options).model_dump(mode="json")
    job = service.gallery.jobs.create(NewJob(kind, collection, options=valid))
    worker = Worker(service, KINDS, threads=0)
    worker.start()
    wall, cpu = time.monotonic(), time.process_time()
    while worker.once():
        pass
    wall, cpu = time.monotonic() - wall, time.process_time() - cpu
    worker.stop()
    ended = service.gallery.jobs.get(job.id)
    assert ended.state is JobState.DONE, ended.message
    told = {name: value for name, value in ended.result.items() if isinstance(value, int)}
    print(f"{kind:10} {count / cpu:8.0f} persons/CPU s {cpu:7.1f} CPU s {wall:7.1f} s  {told}", flush=True)
    return dict(ended.result)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--persons", type=int, default=100_000)
    count = parser.parse_args().persons
    with tempfile.TemporaryDirectory() as folder:
        service = Service.open(Settings(home=Path(folder)))
        try:
            pack = service.pack
            service.gallery.create_collection(NewCollection("people", pack.contract_id, pack.dimension))
            made = people(count, pack.dimension)
            for _ in service.gallery.enroll_templates("people", made, contract_id=pack.contract_id):
                pass
            service.gallery.maintain()
            do(service, "dedup", "people", count, threshold=0.8)
            file = do(service, "export", "people", count)["file"]
            do(service, "import", "copy", count, path=str(Path(folder, "exports", file)))
            do(service, "calibrate", "people", count)
            do(service, "cluster", "people", count, threshold=0.8, merge=True)
            do(service, "purge", "people", count, days=1)
        finally:
            service.close()


if __name__ == "__main__":
    main()
