"""What a run writes down of its circumstances, and whether a checkpoint is of this very run; reads no tensor."""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from training.config import ConfigError, RunConfig, as_tree, checked
from training.data.records import FaceRecords
from training.ranks import Ranks

FREE = {
    "data": ("records", "threads", "on_bad", "damaged"),
    "model": ("gradient_checkpointing", "compiled", "channels_last", "start"),
    "head": ("chunk", "backend"),
    "validation": ("pairs", "every"),
    "saving": ("every", "keep", "asynchronous"),
}
"""Settings that may change between an interruption and the resumption; all others decide what is learned."""


def record_of(config: RunConfig, records: FaceRecords, ranks: Ranks) -> dict[str, Any]:
    """JSON: the configuration, the data's size and the digest of its labels, versions, ranks and threads."""
    labels = np.asarray(records.labels)
    return {
        "config": as_tree(config),
        "images": len(records),
        "classes": records.classes,
        "labels_sha256": hashlib.sha256(labels.tobytes()).hexdigest(),
        "ranks": ranks.size,
        "threads": torch.get_num_threads(),
        "versions": {
            name: version(name) for name in ("cocircle", "torch", "numpy", "opencv-python-headless")
        },
    }


def check_same_run(before: dict[str, Any], now: dict[str, Any], folder: Path) -> None:
    """ConfigError names each setting, or what of the data, that is not as it was in the checkpoint."""
    faults = [
        f"  {key}: {before[key]} then, {now[key]} now"
        for key in ("images", "classes", "labels_sha256")
        if before[key] != now[key]
    ]
    # A setting that did not exist then had what is its default now.
    earlier = as_tree(checked(before["config"], f"the configuration in {folder}"))
    then, here = _fixed(earlier), _fixed(now["config"])
    faults += [
        f"  {key}: {then.get(key)!r} then, {here.get(key)!r} now"
        for key in sorted(then.keys() | here.keys())
        if then.get(key) != here.get(key)
    ]
    if faults:
        raise ConfigError(
            "\n".join([f"{folder} holds another run; give this one another folder, or set back:", *faults])
        )


def _fixed(tree: dict[str, Any]) -> dict[str, Any]:
    """The settings that must stay, by dotted name."""
    flat: dict[str, Any] = {}
    for table, values in tree.items():
        if not isinstance(values, dict):
            flat[table] = values
            continue
        for key, value in values.items():
            if key not in FREE.get(table, ()):
                flat[f"{table}.{key}"] = value
    for name in ("device", "threads"):
        flat.pop(name, None)
    return flat
