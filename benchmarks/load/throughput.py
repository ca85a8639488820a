"""Requests a second at several numbers of clients, with shared runs of the models and without, in turn."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load.clients import Outcome, Plan, asked_alone, measured, right_and_unknown
from benchmarks.load.report import bar, percentile, table, told
from benchmarks.load.service import ServiceProcess, grown, mean_batch, served

STAGES = ("decode", "detect", "align", "embed", "search")
TURNS = ("off", "on", "off", "on")
BAR = 1.3
"""How many times as many requests shared runs should answer, at BAR_CLIENTS."""
BAR_CLIENTS = 32


@dataclass(frozen=True)
class Level:
    """One measurement. batches: mean size by stage. cpu: seconds of a processor that a photo took the service."""

    batching: str
    clients: int
    outcome: Outcome
    batches: dict[str, float]
    cpu: float

    @property
    def rate(self) -> float:
        """Answers with 200 a second."""
        return self.outcome.good / self.outcome.seconds


def compare(home: Path, people: int, levels: Sequence[int], seconds: float) -> Iterator[str]:
    """The table and the ratio, line by line."""
    other = home.parent / "off"
    shutil.copytree(home, other)
    with ExitStack() as stack:
        services = {
            "on": stack.enter_context(served(home, workers=0)),
            "off": stack.enter_context(served(other, workers=0, batch=1)),
        }
        expected = asked_alone(services["on"].url, people)
        right, unknown, wrong = right_and_unknown(expected)
        yield (
            f"{len(expected)} probes, asked alone: {right} named right, {unknown} unknown, {wrong} named wrong. "
            "Under load every answer must say the same."
        )
        yield ""
        found: list[Level] = []
        for clients in levels:
            for batching in TURNS:
                plan = Plan(services[batching].url, people, expected, seconds, clients)
                found.append(_level(services[batching], batching, plan))
    yield from table(_row(clients, batching, found) for clients in levels for batching in ("off", "on"))
    yield ""
    yield from _verdict(found)


def _level(service: ServiceProcess, batching: str, plan: Plan) -> Level:
    before, used = service.metrics(), service.cpu_seconds()
    outcome = measured(plan)
    after, later = service.metrics(), service.cpu_seconds()
    sizes = {stage: mean_batch(before, after, stage) for stage in STAGES}
    photos = grown(before, after, "cocircle_batch_size_sum", "decode")
    return Level(batching, plan.clients, outcome, sizes, (later.whole - used.whole) / max(photos, 1))


def _row(clients: int, batching: str, found: Sequence[Level]) -> dict[str, str]:
    both = _of(found, batching, clients)
    latencies = [ms for level in both for ms in level.outcome.latencies]
    return {
        "clients": str(clients),
        "batching": batching,
        "answers/s": f"{statistics.median(level.rate for level in both):.1f}",
        "of": " ".join(f"{level.rate:.1f}" for level in both),
        "CPU ms": f"{1000 * statistics.median(level.cpu for level in both):.1f}",
        "p50 ms": f"{percentile(latencies, 0.5):.0f}",
        "p99 ms": f"{percentile(latencies, 0.99):.0f}",
        "mean batch " + " / ".join(STAGES): " / ".join(
            f"{statistics.fmean(level.batches[stage] for level in both):.1f}" for stage in STAGES
        ),
        "429": str(sum(level.outcome.refused for level in both)),
        "failed": " ".join({told(level.outcome.failures) for level in both}),
        "different": str(sum(level.outcome.different for level in both)),
    }


def _verdict(found: Sequence[Level]) -> Iterator[str]:
    for clients in sorted({level.clients for level in found}):
        on, off = (_of(found, batching, clients) for batching in ("on", "off"))
        rates = [statistics.median(level.rate for level in both) for both in (on, off)]
        costs = [statistics.median(level.cpu for level in both) for both in (on, off)]
        ratio = rates[0] / rates[1] if rates[1] else float("nan")
        text = (
            f"on / off at {clients} clients: {ratio:.2f}; processor time of a photo {costs[0] / costs[1]:.2f}"
        )
        yield bar(text, ratio >= BAR, f"at least {BAR}") if clients == BAR_CLIENTS else text
    same = not any(level.outcome.different or level.outcome.failed for level in found)
    yield bar("every answer the same as alone, none failed", same, "all")


def _of(found: Sequence[Level], batching: str, clients: int) -> list[Level]:
    return [level for level in found if (level.batching, level.clients) == (batching, clients)]
