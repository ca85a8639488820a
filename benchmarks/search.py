"""Exact beside fast search on face-like templates: latency, agreement, open-set error, memory.

`python -m benchmarks.search [--rows 100000 1000000] [--dimension 128 256 512] [--json]`; bars: an agreement of at least
.999 with every comparison's best candidate, with a mate in the gallery and without one; 4 ms CPU a query at 1M x 512.
Latency is of one probe at a time, one thread, as a server answers them.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.facelike import FaceLike
from index.engine.base import SearchedRows, Space
from index.engine.held import Held, Tuning
from index.records import Fusion, Precision, Search
from index.template import Float32, stored, unit_rows

BLOCK = 50_000
TIMED = 200
"""Probes asked one by one, on the clock; the others are asked in batches, for their answers alone."""
AT_ONCE = 64


def resident_mib(kind: str = "RssAnon") -> float:
    """Memory of this process by kind, MiB (Linux)."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith(kind))


def blocks(made: FaceLike, rows: int) -> Iterator[SearchedRows]:
    for number, block in enumerate(made.blocks(rows, BLOCK)):
        persons = np.arange(number * BLOCK, number * BLOCK + len(block))
        yield SearchedRows(persons, persons, stored(block, Precision.FLOAT16))


def best_of(held: Held, probes: Float32) -> tuple[NDArray[np.int64], Float32]:
    """Best person of each probe and its cosine."""
    starts = range(0, len(probes), AT_ONCE)
    hits = [hit for at in starts for hit in held.search(probes[at : at + AT_ONCE], 1, -1.0).hits]
    return np.array([hit.persons[0] for hit in hits]), np.array([hit.cosines[0] for hit in hits], np.float32)


def timed(held: Held, probes: Float32, threshold: float) -> dict[str, float]:
    """Latency of the first TIMED probes."""
    held.search(probes[:1], 1, threshold)
    walls, cpus = [], []
    for probe in probes[:TIMED]:
        began, cpu = time.perf_counter(), time.process_time()
        held.search(probe[None], 1, threshold)
        cpus.append(time.process_time() - cpu)
        walls.append(time.perf_counter() - began)
    return {
        "cpu_ms": float(np.mean(cpus)) * 1e3,
        "cpu_ms_p50": float(np.quantile(cpus, 0.5)) * 1e3,
        "cpu_ms_p10": float(np.quantile(cpus, 0.1)) * 1e3,
        "wall_ms_p50": float(np.quantile(walls, 0.5)) * 1e3,
        "wall_ms_p99": float(np.quantile(walls, 0.99)) * 1e3,
    }


def scan_alone(held: Held, probes: Float32) -> float:
    """Median CPU ms of the library's scan of codes: what no Python can save, and how fast this machine is today."""
    coder, cpus = held.coder, []
    if coder is None:
        return float("nan")
    scanners = [coder.scanner(s.codes) for s in held.view.segments if s.codes is not None]
    for probe in probes[:100]:
        cpu = time.process_time()
        for scanner in scanners:
            scanner.search(probe[None], 10)
        cpus.append(time.process_time() - cpu)
    return float(np.median(cpus)) * 1e3


def measure(rows: int, dimension: int, probes: int, candidates: int) -> list[dict[str, Any]]:
    made = FaceLike(dimension)
    numbers = range(-(-rows // BLOCK))
    of_each = min(BLOCK, 2 * -(-probes // len(numbers)))
    people = np.concatenate([made.people(block, of_each) for block in numbers])
    known = np.concatenate([np.arange(of_each) + block * BLOCK for block in numbers])
    chosen = np.random.default_rng(9).permutation(np.flatnonzero(known < rows))[:probes]
    mates = unit_rows(made.photos(people[chosen], 10_001), dimension)
    strangers = unit_rows(made.photos(made.people(10_002, probes), 10_003), dimension)

    space = Space(1, "benchmark", dimension, Fusion.MEAN, Search.FAST, Precision.FLOAT16)
    held = Held(space, Tuning(candidates=candidates))
    began = time.process_time()
    held.rebuild(space, blocks(made, rows), 1)
    build = time.process_time() - began
    table: list[dict[str, Any]] = []
    nothing = SearchedRows(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, dimension), np.float16))
    answers = {}
    for mode in (Search.FAST, Search.EXACT):
        held.apply(replace(space, search=mode), nothing.persons, nothing, 1)
        persons, scores = best_of(held, mates)
        other_persons, other = best_of(held, strangers)
        answers[mode] = persons, other_persons
        threshold = float(np.quantile(other, 0.99))
        found = persons == known[chosen]
        table.append(
            {
                "rows": rows,
                "dimension": dimension,
                "search": str(mode),
                **timed(held, mates, threshold),
                "cpu_ms_p50_strangers": timed(held, strangers, threshold)["cpu_ms_p50"],
                "cpu_ms_p50_strangers_no_threshold": timed(held, strangers, -1.0)["cpu_ms_p50"],
                "rank1": float(found.mean()),
                "fnir_at_fpir_1pct": float(1 - np.mean(found & (scores > threshold))),
                "threshold": threshold,
                "anonymous_mib": resident_mib(),
            }
        )
    table[0]["build_cpu_s_with_data"] = build
    table[0]["cpu_ms_p50_scan_alone"] = scan_alone(held, mates)
    fast, exact = answers[Search.FAST], answers[Search.EXACT]
    table[0]["agreement_mates"] = float(np.mean(fast[0] == exact[0]))
    table[0]["agreement_strangers"] = float(np.mean(fast[1] == exact[1]))
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--dimension", type=int, nargs="+", default=[512])
    parser.add_argument("--probes", type=int, default=2000, help="of each kind: with a mate, strangers")
    parser.add_argument("--candidates", type=int, default=Tuning().candidates)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    table = [
        line
        for dimension in options.dimension
        for rows in options.rows
        for line in measure(rows, dimension, options.probes, options.candidates)
    ]
    if options.json:
        print(json.dumps(table))
        return
    for line in table:
        print("  ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in line.items()))


if __name__ == "__main__":
    main()
