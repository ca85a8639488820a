"""Where the time of a request goes on this processor: by stage and thread under load, and of each model alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.load.clients import Plan, asked_alone, measured
from benchmarks.load.probes import probes
from benchmarks.load.report import table
from benchmarks.load.service import grown, mean_batch, served
from benchmarks.load.throughput import STAGES
from faces.analyzer import Analyzer
from faces.image import decode_image
from faces.pack import load_pack

CLIENTS = 32
BATCHES = (1, 2, 4, 8, 16)
ROUNDS = 15


def profile(home: Path, people: int, seconds: float) -> Iterator[str]:
    """Two tables, line by line."""
    yield f"A request at {CLIENTS} clients, by stage and batching; processor time of the process as a whole beside:"
    yield ""
    rows = [row for batch in (1, 0) for row in _by_stage(home, people, seconds, batch)]
    yield from table(rows)
    yield ""
    yield "A photo of 92 x 112 through the models alone, milliseconds of the clock / of a processor, medians:"
    yield ""
    yield from table(_alone())


def _by_stage(home: Path, people: int, seconds: float, batch: int) -> Iterator[dict[str, str]]:
    with served(home, workers=0, batch=batch) as service:
        expected = asked_alone(service.url, people)
        before, used = service.metrics(), service.cpu_seconds()
        outcome = measured(Plan(service.url, people, expected, seconds, clients=CLIENTS))
        after, later = service.metrics(), service.cpu_seconds()
    photos = grown(before, after, "cocircle_batch_size_sum", "decode")

    def row(what: str, total: float, size: str = "") -> dict[str, str]:
        return {
            "batching": "off" if batch == 1 else "on",
            "what": what,
            "mean batch": size,
            "ms a request": f"{1000 * total / photos:.1f}",
            "seconds": f"{total:.1f}",
        }

    for stage in STAGES:
        worked = grown(before, after, "cocircle_stage_seconds_sum", stage)
        yield row(f"stage {stage}, clock", worked, f"{mean_batch(before, after, stage):.1f}")
    yield row("processor, all threads", later.whole - used.whole)
    yield row("processor, event loop", later.event_loop - used.event_loop)
    yield row(f"answers: {outcome.good / outcome.seconds:.1f} a second", outcome.seconds)


def _alone() -> Iterator[dict[str, str]]:
    images = [decode_image(photo.path.read_bytes()) for photo in probes(4)]
    pack = load_pack()
    analyzers = {threads: Analyzer(pack, threads=threads) for threads in (1, 2)}
    crops = np.stack([analysis.faces[0].crop for analysis in analyzers[1].analyze(images)])
    for batch in BATCHES:
        row = {"batch": str(batch)}
        for threads, analyzer in analyzers.items():
            word = "1 thread" if threads == 1 else f"{threads} threads"
            row[f"detector, {word}"] = _ms(partial(analyzer.detect, images[:batch]), batch)
            row[f"embedder, {word}"] = _ms(partial(analyzer.embed_crops, crops[:batch]), batch)
        yield row


def _ms(run: Callable[[], object], photos: int) -> str:
    run()
    walls, cpus = [], []
    for _ in range(ROUNDS):
        wall, cpu = time.perf_counter(), time.process_time()
        run()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return f"{1000 * median(walls) / photos:.1f} / {1000 * median(cpus) / photos:.1f}"
