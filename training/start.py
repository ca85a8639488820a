"""First values from a run that is finished: its network, and its centroids for identities of the same name."""

from __future__ import annotations

from pathlib import Path

import torch

from training.config import ConfigError, RunConfig
from training.data.names import FileNames
from training.data.records import ClassNames
from training.head.sharded import ShardedClassifier
from training.losses.baselines import Softmax
from training.trained import CLASS_NAMES, Trained, centroids, trained


@torch.no_grad()
def start_from(
    config: RunConfig,
    network: torch.nn.Module,
    head: ShardedClassifier | Softmax | None,
    names: ClassNames,
) -> str:
    """Fill the network, and the rows of a sharded head whose identities the earlier run knew; says how many.

    The old rows are read whole on every rank: C x D x 4 bytes for a moment. ConfigError where the earlier network is
    another one.
    """
    assert config.model.start is not None
    before = trained(config.model.start)
    theirs, ours = before.config.model, config.model
    for key in ("backbone", "dimension", "settings"):
        if getattr(theirs, key) != getattr(ours, key):
            raise ConfigError(
                f"model.start = {config.model.start}: that run has model.{key} = {getattr(theirs, key)!r} "
                f"and this one {getattr(ours, key)!r}; take the same network"
            )
    network.load_state_dict(before.network.state_dict())
    if not isinstance(head, ShardedClassifier) or before.config.loss.name in ("softmax", "none"):
        return f"The network starts from step {before.step} of {config.model.start}; the head is new."
    known = _adopt(head, before, names)
    return (
        f"The network starts from step {before.step} of {config.model.start}, and so do the centroids of "
        f"{known:,} of {head.classes:,} identities; the others are new."
    )


def _adopt(head: ShardedClassifier, before: Trained, names: ClassNames) -> int:
    """How many of all classes were known; this rank's rows of them are filled."""
    folder = before.saved.folder.parent.parent
    earlier = _places(FileNames(folder / CLASS_NAMES, before.classes), folder)
    rows = centroids(before)
    known = 0
    for at in range(head.classes):
        old = earlier.get(names[at])
        if old is None:
            continue
        known += 1
        if head.share.start <= at < head.share.stop:
            head.weight[at - head.share.start] = rows[old].to(head.weight)
    return known


def _places(names: ClassNames, folder: Path) -> dict[str, int]:
    try:
        return {names[at]: at for at in range(len(names))}
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"the identities of the run in {folder} cannot be read from {CLASS_NAMES}: {error}"
        ) from error
