"""Images a second that the loader hands to a model that costs nothing, and the memory it takes.

    python -m benchmarks.data_loader [--source FOLDER] [--threads 1 2] [--epochs 3] [--json]

Decoding with flip, batches of 256, files in the page cache. `a core` is images by seconds of processor time of the
whole process: what a core would do were it alone, whoever else uses the machine. Memory is the resident set after the
first tenth of the first epoch and the largest after that; each number of threads in its own process.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter, process_time

from training.data.augment import Augmentation
from training.data.loader import BatchLoader
from training.data.shuffle import ShuffledBatches
from training.data.source import open_records

DATA = Path(os.environ.get("COCIRCLE_DATA") or Path(__file__).parents[2] / "shared")
EVERYTHING = Augmentation(resolution=0.2, crop=0.2, photometric=0.2, occlusion=0.2)


@dataclass(frozen=True)
class Figures:
    """Images a second, by the clock and by a core's time; megabytes (1e6) resident."""

    threads: int
    augmentation: str
    images: int
    images_a_second: int
    images_a_second_a_core: int
    resident_early: float
    resident_most: float


def measured(options: argparse.Namespace) -> Figures:
    """All epochs, in this process."""
    with tempfile.TemporaryDirectory() as cache:
        records = open_records(options.source, cache=Path(cache))
        loader = BatchLoader(
            records,
            ShuffledBatches(len(records), 256),
            EVERYTHING if options.augmentation == "all" else Augmentation(),
            threads=options.one,
        )
        images, resident = 0, []
        clock, core = perf_counter(), process_time()
        for _ in range(options.epochs):
            for batch, _ in loader:
                images += len(batch)
                resident.append(megabytes())
        clock, core = perf_counter() - clock, process_time() - core
    early = len(resident) // options.epochs // 10
    return Figures(
        options.one,
        options.augmentation,
        images,
        round(images / clock),
        round(images / core),
        round(resident[early], 1),
        round(max(resident[early:]), 1),
    )


def megabytes() -> float:
    """The resident set of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def in_a_child(threads: int, augmentation: str, options: argparse.Namespace) -> Figures:
    command = [sys.executable, "-m", "benchmarks.data_loader", "--one", str(threads)]
    command += [
        "--augmentation",
        augmentation,
        "--source",
        str(options.source),
        "--epochs",
        str(options.epochs),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Figures(**json.loads(done.stdout))


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, default=DATA / "data/celeba-faces")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--augmentation", choices=("flip", "all"), default="flip", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(asdict(measured(options))))
        return
    table = [
        asdict(in_a_child(threads, augmentation, options))
        for augmentation in ("flip", "all")
        for threads in options.threads
    ]
    if options.json:
        print(json.dumps(table, indent=1))
        return
    for row in table:
        print(
            "  ".join(f"{name} {value:,}" if name != "augmentation" else value for name, value in row.items())
        )


if __name__ == "__main__":
    main()
