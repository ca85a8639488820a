"""Where a process of a run computes; moves nothing there."""

from __future__ import annotations

import os

import torch

from training.config import RunConfig


def on_gpu(config: RunConfig) -> bool:
    """Whether a run computes on GPUs here: as it was told, or wherever there is one."""
    return config.device == "cuda" or (config.device == "auto" and torch.cuda.is_available())


def take_own_gpu() -> None:
    """Each process of a machine computes on the GPU of its number there, as torchrun counts them."""
    torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
