"""Exact beside fast search on face-like templates: latency, agreement, open-set error, memory.

`python -m benchmarks.search [--rows 100000 1000000] [--dimension 128 256 512] [--json]`; bars: an agreement of at least
.999 with every comparison's best candidate, with a mate in the gallery and without one; 4 ms CPU a query at 1M x 512.
Latency is of one probe at a time, one thread, as a server answers them. With `--milvus http://host:19530` the same rows
are searched there, and exactly here beside it; it needs a Milvus with memory for them, and leaves nothing behind.
"""

from __future__ import annotations

import argparse
import json
import secrets
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.facelike import FaceLike
from index.engine.base import Answer, SearchedRows, Space
from index.engine.held import Held, Tuning
from index.engine.milvus import MilvusEngine
from index.engine.milvus_address import milvus_address
from index.records import Fusion, Precision, Search
from index.template import Float32, stored, unit_rows
from index.turns import FileTurns

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


class Searched(Protocol):
    """What is measured: one collection, however it is searched."""

    def search(self, probes: Float32, limit: int, threshold: float) -> Answer: ...


class InMilvus:
    """One collection in a Milvus."""

    def __init__(self, address: str, folder: Path, space: Space) -> None:
        run = secrets.token_hex(8)
        self._engine = MilvusEngine(
            milvus_address(address), FileTurns(folder), lambda number: f"{run}{number}"
        )
        self._space = space

    def fill(self, rows: Iterator[SearchedRows]) -> None:
        self._engine.rebuild(self._space, rows, 1)

    def search(self, probes: Float32, limit: int, threshold: float) -> Answer:
        return self._engine.search(self._space.key, probes, limit, threshold)

    def change(self, rows: SearchedRows, revision: int) -> None:
        self._engine.apply(self._space, rows.persons, rows, revision)

    def close(self) -> None:
        self._engine.drop(self._space.key)
        self._engine.close()


def best_of(held: Searched, probes: Float32) -> tuple[NDArray[np.int64], Float32]:
    """Best person of each probe and its cosine."""
    starts = range(0, len(probes), AT_ONCE)
    hits = [hit for at in starts for hit in held.search(probes[at : at + AT_ONCE], 1, -1.0).hits]
    return np.array([hit.persons[0] for hit in hits]), np.array([hit.cosines[0] for hit in hits], np.float32)


def timed(held: Searched, probes: Float32, threshold: float) -> dict[str, float]:
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


def measure_milvus(rows: int, dimension: int, probes: int, address: str) -> list[dict[str, Any]]:
    """The same rows exactly, in this process and in Milvus: agreement, latency, and what a change costs."""
    made = FaceLike(dimension)
    people = made.people(0, min(BLOCK, rows))[:probes]
    mates = unit_rows(made.photos(people, 10_001), dimension)
    strangers = unit_rows(made.photos(made.people(10_002, probes), 10_003), dimension)
    space = Space(1, "benchmark", dimension, Fusion.MEAN, Search.EXACT, Precision.FLOAT16)
    held = Held(space, Tuning())
    held.rebuild(space, blocks(made, rows), 1)
    with tempfile.TemporaryDirectory() as folder:
        there = InMilvus(address, Path(folder), space)
        try:
            began = time.perf_counter()
            there.fill(blocks(made, rows))
            filled = time.perf_counter() - began
            here, other = best_of(held, mates), best_of(there, mates)
            away, beyond = best_of(held, strangers), best_of(there, strangers)
            line: dict[str, Any] = {
                "rows": rows,
                "dimension": dimension,
                "search": "milvus",
                **timed(there, mates, -1.0),
                "wall_ms_p50_faiss_cpu_exact": timed(held, mates, -1.0)["wall_ms_p50"],
                "agreement_mates": float(np.mean(here[0] == other[0])),
                "agreement_strangers": float(np.mean(away[0] == beyond[0])),
                "largest_difference_of_cosines": float(np.abs(here[1] - other[1]).max()),
                "fill_s": filled,
            }
            for count in (1, 1000):
                block = next(blocks(made, count))
                began = time.perf_counter()
                for revision in range(4):
                    there.change(block, 10 * count + revision)
                line[f"change_of_{count}_s"] = (time.perf_counter() - began) / 4
        finally:
            there.close()
    return [line]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--dimension", type=int, nargs="+", default=[512])
    parser.add_argument("--probes", type=int, default=2000, help="of each kind: with a mate, strangers")
    parser.add_argument("--candidates", type=int, default=Tuning().candidates)
    parser.add_argument("--milvus", help="address of a Milvus to measure in place of the codes")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    table = [
        line
        for dimension in options.dimension
        for rows in options.rows
        for line in (
            measure_milvus(rows, dimension, options.probes, options.milvus)
            if options.milvus
            else measure(rows, dimension, options.probes, options.candidates)
        )
    ]
    if options.json:
        print(json.dumps(table))
        return
    for line in table:
        print("  ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in line.items()))


if __name__ == "__main__":
    main()
