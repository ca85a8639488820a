"""A real service in a process of its own, and what can be read of it from outside: metrics, memory, processor time."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

TICKS = os.sysconf("SC_CLK_TCK")


class ServiceProcess:
    """`python -m serving serve` on a free port of loopback, and the folder it works on."""

    def __init__(self, home: Path, **settings: object) -> None:
        """settings: by their names in serving/settings.py. Raises RuntimeError with the log where it does not start."""
        given = {f"COCIRCLE_{name.upper()}": str(value) for name, value in settings.items()}
        command = [sys.executable, "-m", "serving", "serve", "--home", str(home), "--port", "0"]
        log = home / "service.log"
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=errors, text=True, env={**os.environ, **given}
            )
        assert self._process.stdout is not None
        found = re.match(r"Cocircle answers at (http://\S+) ", self._process.stdout.readline())
        if found is None:
            self.stop()
            raise RuntimeError(f"the service did not start:\n{log.read_text()}")
        self.url = found[1]

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def stop(self) -> int:
        """Ends it as an operator would; its exit status."""
        self._process.terminate()
        status = self._process.wait(60)
        assert self._process.stdout is not None
        self._process.stdout.close()
        return status

    def metrics(self) -> Scraped:
        """What it counted since its start."""
        text = httpx.get(f"{self.url}/metrics", timeout=60).text
        return {
            (sample.name, *sample.labels.values()): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def resident_mib(self) -> float:
        """Memory of the process now (Linux)."""
        with open(f"/proc/{self.pid}/status") as status:
            return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))

    def cpu_seconds(self) -> Cpu:
        """Processor time since its start (Linux). The event loop is the first thread."""
        return Cpu(
            _ticks(f"/proc/{self.pid}/stat") / TICKS,
            _ticks(f"/proc/{self.pid}/task/{self.pid}/stat") / TICKS,
        )


Scraped = dict[tuple[str, ...], float]
"""Value of each metric, by its name and the values of its labels."""


@dataclass(frozen=True)
class Cpu:
    """Seconds of a processor: all threads together, and the event loop's."""

    whole: float
    event_loop: float


def mean_batch(before: Scraped, after: Scraped, stage: str) -> float:
    """Of the runs of a stage between two readings; NaN where there was none."""
    runs = grown(before, after, "cocircle_batch_size_count", stage)
    return grown(before, after, "cocircle_batch_size_sum", stage) / runs if runs else float("nan")


def grown(before: Scraped, after: Scraped, *key: str) -> float:
    """By how much a counter grew."""
    return after.get(key, 0.0) - before.get(key, 0.0)


@contextmanager
def served(home: Path, **settings: object) -> Iterator[ServiceProcess]:
    """A service for the time of a block."""
    service = ServiceProcess(home, **settings)
    try:
        yield service
    finally:
        service.stop()


def _ticks(path: str) -> int:
    with open(path) as stat:
        # The name of the program, in brackets, may hold spaces.
        fields = stat.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
