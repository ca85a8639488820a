"""A head's rows and their optimizer's in torch.distributed.checkpoint: saved on any ranks, loaded on any others.

Rows are DTensors in Shard(0), so every file of the checkpoint knows which rows it holds. The index that
torch.distributed.checkpoint writes is a pickle: load checkpoints of your own only, and hand heads to others as
pages (`pages`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.distributed.checkpoint.filesystem import FileSystemReader
from torch.distributed.checkpoint.metadata import BytesStorageMetadata, TensorStorageMetadata
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Shard
from torch.optim import Optimizer

from training.head.sharded import ShardedClassifier

COUNTERS = ("classes", "dimension", "seed", "steps")


class HeadMismatch(ValueError):
    """The checkpoint is of another head; the message says what differs."""


def row_states(head: ShardedClassifier, optimizer: Optimizer | None) -> dict[str, Tensor]:
    """The optimizer's tensors with a row a class, by name: momentum_buffer (C_r, D) of SGD, exp_avg of Adam."""
    state: dict[str, Any] = optimizer.state.get(head.weight, {}) if optimizer is not None else {}
    return {name: value for name, value in _tensors(state) if value.shape == head.weight.shape}


def save_head(head: ShardedClassifier, optimizer: Optimizer | None, folder: Path) -> None:
    """Write the head, and its optimizer's state, into a new folder. Collective over the head's ranks."""
    state = head_state(head, optimizer)
    group = head.ranks.group
    save(state, checkpoint_id=folder, process_group=group, no_dist=group is None)


def load_head(head: ShardedClassifier, optimizer: Optimizer | None, folder: Path) -> None:
    """Fill the head, and its optimizer, from a folder that any number of ranks wrote. Collective.

    HeadMismatch where the checkpoint has other classes, dimensions or another seed, or an optimizer is given and
    the checkpoint has no state for it. A head that is to have more classes is loaded first and then grown.
    """
    saved = FileSystemReader(folder).read_metadata().state_dict_metadata
    group = head.ranks.group
    counters = torch.zeros(len(COUNTERS), dtype=torch.int64)
    load({"counters": counters}, checkpoint_id=folder, process_group=group, no_dist=group is None)
    _check_counters(head, counters.tolist())
    names = sorted(name.removeprefix("rows.") for name in saved if name.startswith("rows."))
    others = sorted(name.removeprefix("other.") for name in saved if name.startswith("other."))
    state: dict[str, Any] = {"weight": sharded_tensor(head, head.weight.detach())}
    if optimizer is not None:
        if not names + others and optimizer.state.get(head.weight):
            raise HeadMismatch(f"the checkpoint {folder} holds no state for an optimizer")
        kept = {name: torch.zeros_like(head.weight) for name in names}
        single = {name: _empty(saved[f"other.{name}"]) for name in others}
        state |= {f"rows.{name}": sharded_tensor(head, rows) for name, rows in kept.items()}
        state |= {f"other.{name}": value for name, value in single.items()}
        if kept or single:
            optimizer.state[head.weight] = kept | single
    load(state, checkpoint_id=folder, process_group=group, no_dist=group is None)
    head.steps = int(counters[COUNTERS.index("steps")])


def head_state(head: ShardedClassifier, optimizer: Optimizer | None) -> dict[str, Any]:
    """What `save_head` writes, for a checkpoint that holds more than the head.

    weight and rows.<name>: DTensors (C, D) in Shard(0), plain tensors with one rank. other.<name>: tensors of the
    optimizer that are not by row. counters: int64, see COUNTERS.
    """
    state: dict[str, Any] = {"weight": sharded_tensor(head, head.weight.detach())}
    if optimizer is not None:
        by_row = row_states(head, optimizer)
        for name, value in _tensors(optimizer.state.get(head.weight, {})):
            key = f"rows.{name}" if name in by_row else f"other.{name}"
            state[key] = sharded_tensor(head, value) if name in by_row else value
    state["counters"] = torch.tensor([head.classes, head.dimension, head.seed, head.steps])
    return state


def sharded_tensor(head: ShardedClassifier, rows: Tensor) -> Tensor:
    """This rank's rows (C_r, ...) as its part of a DTensor (C, ...); the rows themselves with one rank."""
    group = head.ranks.group
    if group is None:
        return rows
    mesh = DeviceMesh.from_group(group, rows.device.type)
    shape = torch.Size((head.classes, *rows.shape[1:]))
    whole: Tensor = DTensor.from_local(
        rows, mesh, [Shard(0)], run_check=False, shape=shape, stride=rows.stride()
    )
    return whole


def _empty(saved: TensorStorageMetadata | BytesStorageMetadata) -> Tensor:
    """A tensor to load into."""
    if not isinstance(saved, TensorStorageMetadata):
        raise HeadMismatch("the checkpoint's optimizer state holds something that is not a tensor")
    return torch.zeros(saved.size, dtype=saved.properties.dtype)


def _tensors(state: dict[str, Any]) -> Iterator[tuple[str, Tensor]]:
    return ((name, value) for name, value in state.items() if isinstance(value, Tensor))


def _check_counters(head: ShardedClassifier, saved: list[int]) -> None:
    own = head.classes, head.dimension, head.seed
    for name, mine, other in zip(COUNTERS, own, saved, strict=False):
        if mine != other:
            hint = "; load it into a head of that many and grow that" if name == "classes" else ""
            raise HeadMismatch(f"the checkpoint's head has {name} {other}, this one {mine}{hint}")
