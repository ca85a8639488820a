"""One ONNX model in ONNX Runtime, on the processor that was asked for and on no other. Knows no faces."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime
from numpy.typing import NDArray

Provider = Literal["cpu", "cuda"]

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_WARNINGS_AND_BELOW_HIDDEN = 3
_BLOCKING_MACHINES = ("x86_64", "AMD64")


class ProviderUnavailable(RuntimeError):
    """The processor asked for cannot run models here; the message says why and what to install."""


class Session:
    """Runs one model. Threads may call `run` at once.

    outputs: the names of the graph's outputs, in order. input_type: as ONNX Runtime writes it, "tensor(float)".
    input_shape: a number, a name or None for each side of the input, the last two where any length will do.
    """

    def __init__(self, path: Path, provider: Provider = "cpu", threads: int = 0) -> None:
        """threads: of one run on the CPU; 0 takes what the machine has.

        Raises ProviderUnavailable, and never runs on another processor instead.
        """
        if provider not in _PROVIDERS:
            raise ValueError(f"provider is {provider!r}, must be one of {', '.join(_PROVIDERS)}")
        if threads < 0:
            raise ValueError(f"threads must be 0 (all) or more, got {threads}")
        wanted = _PROVIDERS[provider]
        available = onnxruntime.get_available_providers()
        if wanted not in available:
            raise ProviderUnavailable(
                f"{provider} was asked for, but this onnxruntime {onnxruntime.__version__} is built without "
                f"it (it has: {', '.join(available)}); run: pip uninstall onnxruntime, then "
                f"pip install onnxruntime-gpu; or choose provider cpu"
            )
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _WARNINGS_AND_BELOW_HIDDEN
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # A spinning pool takes the cores that decoding and other requests need.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            model = _model(path, provider)
            self._session = onnxruntime.InferenceSession(model, options, providers=[wanted])
        except Exception as error:
            if provider == "cuda":
                raise ProviderUnavailable(f"cuda was asked for, but it does not start: {error}") from error
            raise
        # ONNX Runtime leaves a provider that fails to load out of this list and goes on with the CPU.
        if self._session.get_providers()[0] != wanted:
            raise ProviderUnavailable(
                f"{provider} was asked for, but ONNX Runtime could not load it (driver, CUDA or cuDNN "
                f"libraries missing or of another version) and would run on the CPU"
            )
        first = self._session.get_inputs()[0]
        self._input = first.name
        self.input_type: str = first.type
        self.input_shape: tuple[Any, ...] = tuple(first.shape)
        self.outputs: tuple[str, ...] = tuple(item.name for item in self._session.get_outputs())
        self.output_shapes: tuple[tuple[Any, ...], ...] = tuple(
            tuple(item.shape) for item in self._session.get_outputs()
        )

    def run(self, batch: NDArray[np.float32] | NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """batch: the model's one input, (N, ...) of the type it takes. Its outputs, in the graph's order."""
        return self._session.run(None, {self._input: batch})  # type: ignore[no-any-return]


def _model(path: Path, provider: Provider) -> str | bytes:
    """What ONNX Runtime loads: the file, or its graph as this processor runs it faster."""
    from faces.cpu_graph import faster  # onnx, which commands that load no model never need

    rewritten = faster(path) if provider == "cpu" and platform.machine() in _BLOCKING_MACHINES else None
    return rewritten or str(path)
