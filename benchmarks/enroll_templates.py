"""How fast precomputed templates are enrolled, each batch durable and searchable before the next.

`python -m benchmarks.enroll_templates [--rows 100000] [--json]`; bar: 5,000 a second at 512 dimensions.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.facelike import FaceLike
from index.gallery import Gallery, GallerySettings
from index.records import NewCollection, NewFace


def measure(rows: int, dimension: int, batch: int, folder: Path) -> dict[str, float]:
    made = FaceLike(dimension)
    blocks = list(made.blocks(rows))
    items = ((f"person-{n}", NewFace(row)) for n, row in enumerate(row for block in blocks for row in block))
    with Gallery.open(GallerySettings(folder)) as gallery:
        gallery.create_collection(NewCollection("faces", "benchmark", dimension))
        began, cpu = time.perf_counter(), time.process_time()
        for _ in gallery.enroll_templates("faces", items, contract_id="benchmark", batch=batch):
            pass
        wall, cpu = time.perf_counter() - began, time.process_time() - cpu
        probes = np.concatenate(blocks)[:: max(1, rows // 200)]
        found = gallery.identify("faces", probes, contract_id="benchmark", limit=1, threshold=0.9)
        assert all(len(candidates) == 1 for candidates in found), "an acknowledged template is not found"
    return {"rows": rows, "seconds": wall, "per_second": rows / wall, "per_cpu_second": rows / cpu}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument(
        "--folder", type=Path, help="on the disk to be measured; a temporary folder by default"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        figures = measure(options.rows, options.dimension, options.batch, Path(folder))
    if options.json:
        print(json.dumps(figures))
    else:
        print("  ".join(f"{name} {value:,.1f}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
