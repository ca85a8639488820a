"""How soon a gallery answers after a start from its snapshot, and what memory it takes then.

`python -m benchmarks.snapshot_start [--rows 1000000] [--folder FOLDER] [--json]` fills a gallery, closes it, and
opens it in a process of its own. Bars at 1M x 512: 5 s, and 1.3 GB beside the mapped rows. A folder that is kept
with --folder is filled once.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.facelike import FaceLike
from benchmarks.search import resident_mib
from index.gallery import Gallery, GallerySettings
from index.records import NewCollection, NewFace

CONTRACT = "benchmark"


def fill(folder: Path, rows: int, dimension: int) -> dict[str, float]:
    made = FaceLike(dimension)
    began = time.perf_counter()
    with Gallery.open(GallerySettings(folder)) as gallery:
        gallery.create_collection(NewCollection("faces", CONTRACT, dimension))
        items = (
            (f"person-{number}", NewFace(row))
            for number, row in enumerate(row for block in made.blocks(rows) for row in block)
        )
        for _ in gallery.enroll_templates("faces", items, contract_id=CONTRACT, batch=2000):
            pass
        filled = time.perf_counter() - began
    return {"fill_s": filled, "close_s": time.perf_counter() - began - filled}


def start(folder: Path, dimension: int) -> dict[str, float | str]:
    """Figures of this process, which has opened nothing before."""
    before = resident_mib("RssAnon")
    probe = np.random.default_rng(0).standard_normal((1, dimension)).astype(np.float32)
    began, cpu = time.perf_counter(), time.process_time()
    with Gallery.open(GallerySettings(folder, background=False)) as gallery:
        opened = time.perf_counter() - began
        gallery.identify("faces", probe, contract_id=CONTRACT, threshold=-1.0)
        answered = time.perf_counter() - began
        cpu = time.process_time() - cpu
        (stats,) = gallery.stats()
        assert stats.snapshot_revision == stats.revision, "the snapshot was not used"
        return {
            "rows": stats.rows,
            "engine": stats.engine,
            "open_s": opened,
            "first_answer_s": answered,
            "start_cpu_s": cpu,
            "anonymous_mib": resident_mib("RssAnon"),
            "anonymous_before_mib": before,
            "mapped_mib": resident_mib("RssFile"),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--folder", type=Path, help="keep the gallery here")
    parser.add_argument("--only-start", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.only_start:
        print(json.dumps(start(options.folder, options.dimension)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        figures: dict[str, float | str] = {}
        if not (folder / "gallery.sqlite3").exists():
            figures.update(fill(folder, options.rows, options.dimension))
        command = [sys.executable, "-m", "benchmarks.snapshot_start", "--only-start"]
        command += ["--folder", str(folder), "--dimension", str(options.dimension)]
        figures.update(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
    if options.json:
        print(json.dumps(figures))
        return
    print("  ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in figures.items()))


if __name__ == "__main__":
    main()
