"""Checkpoints of a whole run: written beside training, whole or not at all, the last few and the best kept.

A checkpoint is a folder `step-000001200`: tensors by torch.distributed.checkpoint, the rest in `run.json`. It is
written under another name and renamed when everything is on the disk, so a folder of that name is complete.
What is saved does not depend on the number of ranks; random numbers need no saving, since each step seeds its own.
"""

from __future__ import annotations

import json
import math
import re
import shutil
import warnings
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch.distributed as dist
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.filesystem import FileSystemWriter
from torch.distributed.checkpoint.state_dict_loader import load
from torch.distributed.checkpoint.state_dict_saver import save
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor

from training.atomic import replaced, sync_folder
from training.ranks import Ranks

warnings.filterwarnings("ignore", "torch.distributed is disabled")  # one process is no mistake

RUN = "run.json"
BEST = "best.json"
_NAME = re.compile(r"step-(\d{9})")


class CheckpointError(RuntimeError):
    """A checkpoint could not be written or read; the message says which and why."""


@dataclass(frozen=True)
class Saved:
    """A complete checkpoint: its folder, its step and what run.json holds."""

    folder: Path
    step: int
    run: dict[str, Any]


class Checkpoints:
    """The checkpoints of one run's folder. Collective: every rank calls every method but `latest`."""

    def __init__(self, folder: Path, ranks: Ranks, *, keep: int, asynchronous: bool) -> None:
        """keep: how many of the latest stay. Half-written ones of a killed run are removed.

        asynchronous: write in a thread; not for a part of the processes of torch.distributed.
        """
        self.folder, self.keep = folder, keep
        self._ranks = ranks
        self._first = ranks.rank == 0
        # Its own group: the collectives of a write must not mix with those of the steps beside it.
        beside = _beside(ranks)
        self._group = beside or ranks.group
        self._mesh = DeviceMesh.from_group(self._group, "cpu") if self._group is not None else None
        apart = asynchronous and (ranks.size == 1 or beside is not None)
        self._writer = ThreadPoolExecutor(1, "checkpoint") if apart else None
        self._writing: Future[None] | None = None
        if self._first:
            folder.mkdir(parents=True, exist_ok=True)
            for half in folder.glob(".step-*"):
                shutil.rmtree(half)
        ranks.words(0, what="the preparation of checkpoints")

    def save(self, step: int, tensors: Mapping[str, Tensor], run: dict[str, Any]) -> None:
        """Write a checkpoint; with a writer, from a copy and in its own time. Waits for the one before.

        tensors: DTensors are written by all ranks, others by the first. run: JSON. CheckpointError, here or at the
        next call, where it could not be written; what was there before stays.
        """
        self.finish()
        copies = {name: _copied(tensor, self._mesh) for name, tensor in tensors.items()}
        if self._writer is None:
            self._write(step, copies, run)
        else:
            self._writing = self._writer.submit(self._write, step, copies, run)

    def finish(self) -> None:
        """Wait until the last one is on the disk. CheckpointError where it could not be written."""
        if self._writing is not None:
            writing, self._writing = self._writing, None
            writing.result()

    def latest(self) -> Saved | None:
        """The newest complete checkpoint."""
        steps = complete(self.folder)
        return read_run(steps[max(steps)]) if steps else None

    def mark_best(self, step: int, score: float) -> None:
        """Remember which step scored best, so that it stays whatever comes after; the checkpoint must be whole."""
        self.finish()
        if self._first:
            _write_json(self.folder / BEST, {"step": step, "score": score})

    def _write(self, step: int, tensors: dict[str, Tensor], run: dict[str, Any]) -> None:
        half = self.folder / f".step-{step:09d}"
        try:
            writer = FileSystemWriter(half, single_file_per_rank=True, sync_files=True)
            alone = self._group is None
            save(tensors, storage_writer=writer, process_group=self._group, no_dist=alone)
            if self._first:
                _write_json(half / RUN, {"step": step, **run})
                sync_folder(half)
                half.replace(self.folder / f"step-{step:09d}")
                sync_folder(self.folder)
                self._forget_old()
        except (CheckpointException, OSError, RuntimeError) as error:
            raise CheckpointError(
                f"the checkpoint of step {step} could not be written to {self.folder}: {_reason(error)}"
            ) from error

    def _forget_old(self) -> None:
        steps = complete(self.folder)
        kept = set(sorted(steps)[-self.keep :])
        if (best := best_step(self.folder)) is not None:
            kept.add(best)
        for step in steps.keys() - kept:
            shutil.rmtree(steps[step])


def best_step(folder: Path) -> int | None:
    """The step that scored best in a folder of checkpoints, or None where none was marked."""
    return int(best["step"]) if (best := _best(folder)) else None


def best_score(folder: Path) -> float:
    """What the best step scored; minus infinity where none was marked."""
    return float(best["score"]) if (best := _best(folder)) else -math.inf


def read_run(folder: Path) -> Saved:
    """What run.json of one checkpoint says; CheckpointError where the folder is not one."""
    try:
        run = json.loads((folder / RUN).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{folder} is not a complete checkpoint: {error}") from error
    return Saved(folder, int(run["step"]), run)


def load_tensors(saved: Saved, tensors: Mapping[str, Tensor], ranks: Ranks) -> None:
    """Fill tensors in place from a checkpoint; DTensors may be sharded over other ranks than when it was written."""
    try:
        load(dict(tensors), checkpoint_id=saved.folder, process_group=ranks.group, no_dist=ranks.size == 1)
    except (CheckpointException, OSError, RuntimeError, ValueError, KeyError) as error:
        raise CheckpointError(f"{saved.folder} cannot be loaded into this run: {_reason(error)}") from error


def _best(folder: Path) -> dict[str, Any] | None:
    try:
        best: dict[str, Any] = json.loads((folder / BEST).read_text("utf-8"))
    except FileNotFoundError:
        return None
    return best


def _reason(error: BaseException) -> str:
    """What went wrong, without the stacks that torch.distributed.checkpoint carries along."""
    if isinstance(error, CheckpointException):
        return "; ".join(f"rank {rank}: {failure[0]}" for rank, failure in error.failures.items())
    return str(error)


def complete(folder: Path) -> dict[int, Path]:
    """The folders of complete checkpoints by their step."""
    found = {path: _NAME.fullmatch(path.name) for path in folder.iterdir()}
    return {int(name[1]): path for path, name in found.items() if name}


def _beside(ranks: Ranks) -> dist.ProcessGroup | None:
    """Another group of the same processes; None with one, and where others would have to take part in making it."""
    if ranks.size == 1 or ranks.size != dist.get_world_size():
        return None
    beside: dist.ProcessGroup = dist.new_group(backend="gloo")
    return beside


def _copied(tensor: Tensor, mesh: DeviceMesh | None) -> Tensor:
    """On the CPU, and no longer changed by training; mesh: of the same ranks, there."""
    if isinstance(tensor, DTensor) and mesh is not None:
        local = tensor.to_local().detach().to("cpu", copy=True)
        copied: Tensor = DTensor.from_local(
            local,
            mesh,
            tensor.placements,
            run_check=False,
            shape=tensor.shape,
            stride=tensor.stride(),
        )
        return copied
    return tensor.detach().to("cpu", copy=True)


def _write_json(path: Path, value: dict[str, Any]) -> None:
    with replaced(path) as file:
        file.write(json.dumps(value, indent=1).encode())
