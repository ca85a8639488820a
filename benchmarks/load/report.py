"""Lines of Markdown for docs/load.md, and the machine they were measured on."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import onnxruntime

MISSED = "MISSED"
"""Stands in the line of a bar that was not reached."""


def machine() -> str:
    """What the figures were measured on."""
    model = platform.processor() or platform.machine()
    with open("/proc/cpuinfo") as info:
        for line in info:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    cores = len(os.sched_getaffinity(0))
    busy = os.getloadavg()[0]
    return (
        f"{model}, {cores} cores for service and clients together, load average {busy:.1f} before; "
        f"Python {platform.python_version()}, ONNX Runtime {onnxruntime.__version__}."
    )


def table(rows: Iterable[dict[str, str]]) -> Iterator[str]:
    """A Markdown table; the first row's keys are its head."""
    lines = list(rows)
    head = list(lines[0])
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for line in lines:
        yield f"| {' | '.join(line[name] for name in head)} |"


def bar(what: str, reached: bool, wanted: str) -> str:
    """A figure beside what it should be."""
    return f"{what} (wanted: {wanted}): {'met' if reached else MISSED}"


def percentile(values: Sequence[float], share: float) -> float:
    """Of values; NaN where there are none."""
    return float(np.quantile(values, share)) if values else math.nan


def told(failures: dict[str, int]) -> str:
    """How many of each kind; 0 for none."""
    return ", ".join(f"{count} {kind}" for kind, count in failures.items()) or "0"
