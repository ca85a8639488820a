"""A run's tensors by the names they have in a checkpoint; writes and reads no file.

network.*: parameters and buffers. momentum.*: of its optimizer, by parameter. average.*: the averaged network.
head.*: as training.head.checkpoint names them, or a softmax baseline's with its momentum.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.head.checkpoint import COUNTERS, head_state
from training.head.sharded import ShardedClassifier
from training.objective import Objective
from training.ranks import Ranks
from training.updates import Updates, momentum


def run_tensors(network: nn.Module, objective: Objective, updates: Updates) -> dict[str, Tensor]:
    """All tensors of a run, those that training changes themselves; with several ranks the head's are DTensors."""
    named: dict[str, Tensor] = {f"network.{name}": value for name, value in network.state_dict().items()}
    if updates.network.param_groups[0]["momentum"]:
        for name, parameter in network.named_parameters():
            if parameter.requires_grad:
                named[f"momentum.{name}"] = momentum(updates.network, parameter)
    if updates.average is not None:
        named |= {f"average.{name}": value for name, value in updates.average.state_dict().items()}
    return named | _head_tensors(objective, updates)


def adopt_counters(objective: Objective, tensors: dict[str, Tensor]) -> None:
    """What a head counts beside its tensors, from loaded ones."""
    if isinstance(objective.head, ShardedClassifier):
        objective.head.steps = int(tensors["head.counters"][COUNTERS.index("steps")])


@torch.no_grad()
def share_statistics(network: nn.Module, ranks: Ranks) -> None:
    """The running means and variances of batch normalisation become their mean over ranks. Collective.

    Each rank saw another part of every batch; what is validated and saved should not be one rank's.
    """
    if ranks.size == 1:
        return
    floats = [buffer for buffer in network.buffers() if buffer.is_floating_point()]
    if not floats:
        return
    together = (
        ranks.sum(torch.cat([buffer.flatten() for buffer in floats]), "running statistics") / ranks.size
    )
    for buffer, values in zip(
        floats, torch.split(together, [buffer.numel() for buffer in floats]), strict=True
    ):
        buffer.copy_(values.view_as(buffer))


def _head_tensors(objective: Objective, updates: Updates) -> dict[str, Tensor]:
    head = objective.head
    if head is None:
        return {}
    if isinstance(head, ShardedClassifier):
        return {f"head.{name}": value for name, value in head_state(head, updates.head).items()}
    assert updates.head is not None
    named = {f"head.{name}": value for name, value in head.state_dict().items()}
    if updates.head.param_groups[0]["momentum"]:
        for name, parameter in head.named_parameters():
            named[f"head.momentum.{name}"] = momentum(updates.head, parameter)
    return named
