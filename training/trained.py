"""A run's folder -> what it learned: the network of a checkpoint, with the settings it was trained with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from training.backbones import backbone
from training.backbones.registry import Backbone
from training.checkpoint import CheckpointError, Saved, best_step, complete, load_tensors, read_run
from training.config import ConfigError, RunConfig, checked
from training.ranks import Ranks

CHECKPOINTS = "checkpoints"
CLASS_NAMES = "class_names.txt"


@dataclass(frozen=True)
class Trained:
    """network: on the CPU, in evaluation mode; the averaged weights where the run has them. step: of the checkpoint.

    images, classes: of the training data. run: what the checkpoint says beside its tensors.
    """

    network: Backbone
    config: RunConfig
    step: int
    images: int
    classes: int
    run: dict[str, Any]
    saved: Saved


def trained(
    run: Path,
    *,
    step: int | None = None,
    best: bool = False,
    weights: Literal["average", "network"] = "average",
) -> Trained:
    """What lies in a run's folder: the last checkpoint, the best validated one, or that of a step.

    weights: the average where the run has one, or those that were trained. CheckpointError where there is no such one.
    """
    saved = _chosen(run / CHECKPOINTS, step, best)
    config = checked(saved.run["config"], f"the configuration in {saved.folder}")
    network = network_of(config)
    part = weights if config.optimisation.ema else "network"
    tensors = {f"{part}.{name}": value for name, value in network.state_dict().items()}
    load_tensors(saved, tensors, Ranks(alone=True))
    return Trained(
        network.eval(),
        config,
        saved.step,
        int(saved.run["images"]),
        int(saved.run["classes"]),
        saved.run,
        saved,
    )


def network_of(config: RunConfig) -> Backbone:
    """The network of a configuration, with first values from its seed. ConfigError names a wrong setting."""
    torch.manual_seed(config.seed)
    chosen = config.model
    try:
        network = backbone(chosen.backbone, chosen.dimension, **chosen.settings)
    except ValueError as error:
        raise ConfigError(f"model: {error}") from error
    network.gradient_checkpointing = chosen.gradient_checkpointing
    return network


def centroids(of: Trained) -> Tensor:
    """(C, D) float32, the head's rows; CheckpointError where the run had no sharded head."""
    rows = torch.empty(of.classes, of.config.model.dimension)
    load_tensors(of.saved, {"head.weight": rows}, Ranks(alone=True))
    return rows


def _chosen(folder: Path, step: int | None, best: bool) -> Saved:
    steps = complete(folder) if folder.is_dir() else {}
    if not steps:
        raise CheckpointError(f"{folder} holds no complete checkpoint")
    if best:
        step = best_step(folder)
        if step is None:
            raise CheckpointError(f"no checkpoint in {folder} was marked the best: the run had no validation")
    wanted = max(steps) if step is None else step
    if wanted not in steps:
        raise CheckpointError(f"{folder} has no checkpoint of step {wanted}; it has {sorted(steps)}")
    return read_run(steps[wanted])
