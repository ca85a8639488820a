"""Seconds and memory to index very many labelled records, in a child process: `python -m benchmarks.data_index`.

    python -m benchmarks.data_index [--identities 20000000] [--records 60000000] [--json]

The rows are synthetic (what scanning 100,000 records a shard gives, labels in random order, no images); then they
are joined into one table, written, mapped again and grouped by identity. `sparse` labels are random 63-bit numbers,
`dense` are 0..C-1. Peak memory is that of the whole child, mapped pages included. How fast headers are walked is
measured on a tar of 100,000 small members.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from training.data.index import identities
from training.data.shard_scan import ScannedShard, scan_shard
from training.data.shard_table import joined
from training.data.shard_writer import Sample, write_shard
from training.data.table import RecordTable
from training.data.table_cache import kept

SHARD = 100_000
STRIDE = 1_000_003
"""A prime, so that it meets every identity."""


@dataclass(frozen=True)
class Figures:
    """Seconds of each step and of all; peak in GB (1e9 bytes)."""

    labels: str
    identities: int
    records: int
    join: float
    write: float
    reopen: float
    group: float
    total: float
    peak: float


def scanned(values: NDArray[np.int64], records: int) -> Iterator[ScannedShard]:
    """What scan_shard would give; every identity in turn, far from the one before it."""
    for start in range(0, records, SHARD):
        row = np.arange(start, min(start + SHARD, records))
        label = values[row * STRIDE % len(values)]
        yield ScannedShard(row * 4608 + 512, np.full(len(row), 3000, np.int32), label, None, None)


def measured(options: argparse.Namespace) -> Figures:
    """All steps, in this process."""
    values = np.arange(options.identities)
    if options.labels == "sparse":
        values = np.random.default_rng(0).integers(0, 2**63 - 1, options.identities)
    shards = [f"shard-{number:06d}.tar" for number in range(-(-options.records // SHARD))]
    times = [perf_counter()]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)

        def build() -> RecordTable:
            table = joined(scanned(values, options.records), shards)
            times.append(perf_counter())
            return table

        kept(home, [], None, build)
        times.append(perf_counter())
        table = kept(home, [], None, build)
        times.append(perf_counter())
        grouped = identities(table.label, table.classes)
        times.append(perf_counter())
    assert len(grouped) == len(values)
    assert len(grouped.empty) == 0
    steps = [round(seconds, 2) for seconds in np.diff(times)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    total = round(times[-1] - times[0], 2)
    return Figures(options.labels, len(grouped), len(table), *steps, total, round(peak, 2))


def walked() -> float:
    """Members a second in the headers of a shard, one core; two members a record."""
    records = 50_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shard.tar"
        image = b"\xff\xd8\xff".ljust(512, b"\0")
        write_shard(path, (Sample(f"{number:09d}", image, number, {}) for number in range(records)))
        began = perf_counter()
        assert len(scan_shard(path).label) == records
        return 2 * records / (perf_counter() - began)


def in_a_child(labels: str, options: argparse.Namespace) -> Figures:
    command = [sys.executable, "-m", "benchmarks.data_index", "--labels", labels]
    command += ["--identities", str(options.identities), "--records", str(options.records)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Figures(**json.loads(done.stdout))


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--identities", type=int, default=20_000_000)
    parser.add_argument("--records", type=int, default=60_000_000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--labels", choices=("dense", "sparse"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.labels:
        print(json.dumps(asdict(measured(options))))
        return
    table = [asdict(in_a_child(labels, options)) for labels in ("dense", "sparse")]
    speed = round(walked())
    if options.json:
        print(json.dumps({"index": table, "members_a_second": speed}, indent=1))
        return
    for row in table:
        print("  ".join(f"{name} {value:,}" if name != "labels" else value for name, value in row.items()))
    print(f"walking headers: {speed:,} members/s")


if __name__ == "__main__":
    main()
