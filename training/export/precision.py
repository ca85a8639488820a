"""From a core to a pack's graph in the precision asked for; measures nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from faces.manifest import Precision
from training.export.graph import InputLayout, whole
from training.export.half import halved
from training.export.int8 import quantised
from training.export.prelu import split


def graph_in(inner: Any, precision: Precision, layout: InputLayout, ranges: NDArray[np.uint8]) -> bytes:
    """The ONNX file. inner: as graph.core makes it. ranges: crops (N, 112, 112, 3) uint8, read for int8 alone."""
    return bytes(whole(_lowered(inner, precision, ranges), layout, precision=precision).SerializeToString())


def _lowered(inner: Any, precision: Precision, ranges: NDArray[np.uint8]) -> Any:
    # Half precision is for GPUs, which have a PReLU that is faster than two convolutions.
    if precision == "fp16":
        return halved(inner)
    fast = split(inner)
    return fast if precision == "fp32" else quantised(fast, ranges)
