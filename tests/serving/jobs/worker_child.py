"""A worker process of its own for tests that kill one: python -m tests.serving.jobs.worker_child HOME [hold STEP]."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from index.gallery import Gallery, GallerySettings
from serving.jobs.worker import Worker
from tests.serving.jobs.fake import Fake, stand_in


def hold(*_: object) -> None:
    """Says that the step was reached, and stays there until the process is killed."""
    print("holding", flush=True)
    threading.Event().wait()


def main(home: Path, step: str | None) -> None:
    kind = Fake()
    if step == "work":
        kind.on_work = hold
    elif step == "plan":
        kind.on_plan = lambda start: hold() if start >= 6 else None
    elif step == "finish":
        kind.on_finish = lambda *_: hold()
    with Gallery.open(GallerySettings(path=home / "gallery", background=False)) as gallery:
        worker = Worker(stand_in(gallery, home), {kind.name: kind}, threads=2)
        worker.start()
        print("started", flush=True)
        sys.stdin.read()
        worker.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
