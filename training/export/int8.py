"""A core in eight bits, by ONNX Runtime's static quantisation; measures nothing of what that costs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from training.backbones.images import normalised

AVERAGED = 8
"""Crops whose smallest and largest activation count as one sample of the range."""

_OPERATIONS = ["Conv", "MatMul", "Gemm"]


def quantised(inner: Any, crops: NDArray[np.uint8]) -> Any:
    """An onnx.ModelProto (images float32 -> embeddings float32) with int8 weights and uint8 activations between.

    Convolutions and linear layers with weights, a scale for each channel of a weight and one for each
    activation, in the QDQ form: what a processor without eight-bit kernels runs in float32. Everything else,
    attention's own products among it, stays float32. An activation's range is the mean of the extremes over groups
    of crops (N, 112, 112, 3) uint8: the extremes themselves, which one odd crop sets, cost twice as much, and
    dynamic quantisation ten times the time (MobileFaceNet of a short run, LFW).
    """
    with tempfile.TemporaryDirectory(prefix="cocircle-int8-") as folder:
        plain, prepared, done = (Path(folder) / f"{name}.onnx" for name in ("plain", "prepared", "int8"))
        onnx.save(inner, plain)
        # Symbolic shapes would need sympy, and these graphs have none but the batch.
        quant_pre_process(plain, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            done,
            _Images(crops, inner.graph.input[0].name),
            op_types_to_quantize=_OPERATIONS,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            extra_options={"CalibMovingAverage": True, "MatMulConstBOnly": True},
        )
        return onnx.load(done)


class _Images(CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, crops: NDArray[np.uint8], name: str) -> None:
        self._batches = self._all(crops, name)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return next(self._batches, None)

    def _all(self, crops: NDArray[np.uint8], name: str) -> Iterator[dict[str, NDArray[np.float32]]]:
        for at in range(0, len(crops), AVERAGED):
            yield {name: normalised(torch.from_numpy(crops[at : at + AVERAGED])).contiguous().numpy()}
