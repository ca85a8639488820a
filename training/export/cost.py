"""What a lower precision costs and what it gives, measured side by side with the float32 pack; decides nothing."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from faces.embed import Embedder
from faces.pack import load_pack
from faces.session import Session
from training.export.check import Agreement

ROUNDS = 25
"""Runs of each graph that a time is the median of, one after the other in turn."""


@dataclass(frozen=True)
class Cost:
    """Of a graph of lower precision, each figure beside the float32 graph's.

    agreement: with the network on real crops. megabytes: of the file. milliseconds: a crop, given singly, on this
    processor. accuracy: 0..1 on LFW, or None where it was not measured.
    """

    agreement: Agreement
    megabytes: tuple[float, float]
    milliseconds: tuple[float, float]
    accuracy: tuple[float, float] | None = None

    def __str__(self) -> str:
        size, size_before = self.megabytes
        time, time_before = self.milliseconds
        lfw = "LFW not measured"
        if self.accuracy is not None:
            lfw = f"LFW {100 * self.accuracy[0]:.2f} % for {100 * self.accuracy[1]:.2f} %"
        return (
            f"{self.agreement}; {lfw}; {size:.1f} MB for {size_before:.1f}; {time:.1f} ms a crop for "
            f"{time_before:.1f} ({_processor()})"
        )


def cost(
    pack: Path,
    whole: Path,
    agreement: Agreement,
    crops: NDArray[np.uint8],
    accuracy: tuple[float, float] | None,
) -> Cost:
    """Measures size and time of the embedders in the folders `pack` and `whole`, the float32 one."""
    loaded = [load_pack(folder) for folder in (pack, whole)]
    embedders = [Embedder(Session(one.embedder_file), one.embedder) for one in loaded]
    times: list[list[float]] = [[], []]
    for at in range(ROUNDS + 1):
        crop = crops[at % len(crops)][None]
        for embedder, taken in zip(embedders, times, strict=True):
            start = perf_counter()
            embedder.embed(crop)
            taken.append(perf_counter() - start)
    sizes = [one.embedder_file.stat().st_size / 1e6 for one in loaded]
    # The first run of a graph allocates what the others use.
    spans = [1e3 * median(taken[1:]) for taken in times]
    return Cost(agreement, (sizes[0], sizes[1]), (spans[0], spans[1]), accuracy)


def _processor() -> str:
    name = platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    return f"{name}, {os.cpu_count()} cores"
