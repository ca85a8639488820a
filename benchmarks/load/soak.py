"""Whether the memory of a service that is busy for long grows, by a straight line through its readings."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from time import monotonic

import numpy as np

from benchmarks.load.clients import Outcome, Plan, asked_alone, measured
from benchmarks.load.report import bar, table
from benchmarks.load.service import ServiceProcess, served

CLIENTS = 8
WARMING = 0.2
"""Share of the readings before which memory is still being taken for the first time; not part of the line."""
BAR = 10.0
"""MiB an hour that may be growth, beyond two standard errors."""


def soak(home: Path, people: int, seconds: float, every: float) -> Iterator[str]:
    """The table and the slope, line by line."""
    with served(home, workers=0) as service:
        plan = Plan(service.url, people, asked_alone(service.url, people), seconds, clients=CLIENTS)
        with ThreadPoolExecutor(1) as pool:
            clients = pool.submit(measured, plan)
            at, mib = _readings(service, clients, every)
        outcome = clients.result()
    warm = slice(int(WARMING * len(at)), None)
    slope, error = line(at[warm], mib[warm])
    yield from table(
        [
            {
                "minutes": f"{at[-1] / 60:.1f}",
                "answers/s": f"{outcome.good / outcome.seconds:.1f}",
                "failed": str(outcome.failed + outcome.refused),
                "different": str(outcome.different),
                "MiB first": f"{mib[0]:.0f}",
                "MiB after warm-up": f"{mib[warm][0]:.0f}",
                "MiB last": f"{mib[-1]:.0f}",
                "MiB an hour": f"{slope * 3600:.1f} ± {error * 3600:.1f}",
                "readings": str(len(mib[warm])),
            }
        ]
    )
    yield ""
    yield from _verdict(outcome, slope * 3600, error * 3600)


def line(at: np.ndarray, mib: np.ndarray) -> tuple[float, float]:
    """Slope of mib (N,) over at (N,) by least squares, and its standard error; NaN where N < 3.

    The error takes the readings for independent. Memory taken in steps makes it too small.
    """
    if len(at) < 3:
        return float("nan"), float("nan")
    centred = at - at.mean()
    spread = float(centred @ centred)
    slope = float(centred @ mib) / spread
    rest = mib - mib.mean() - slope * centred
    return slope, float(np.sqrt(rest @ rest / (len(at) - 2) / spread))


def _readings(
    service: ServiceProcess, clients: Future[Outcome], every: float
) -> tuple[np.ndarray, np.ndarray]:
    """Seconds and MiB, (N,) each, until the clients are done."""
    begun, found = monotonic(), []
    while True:
        found.append((monotonic() - begun, service.resident_mib()))
        if wait([clients], timeout=every).done:
            return np.array(found).T[0], np.array(found).T[1]


def _verdict(outcome: Outcome, slope: float, error: float) -> Iterator[str]:
    yield bar(
        "requests not answered with 200, or otherwise than alone",
        not (outcome.failed or outcome.refused or outcome.different),
        "none",
    )
    yield bar(
        f"growth of memory {slope:.1f} ± {error:.1f} MiB/h", slope - 2 * error <= BAR, f"{BAR:.0f} at most"
    )
