"""The memory a run takes, worked out before it starts: by rank and by what it is for; allocates nothing."""

from __future__ import annotations

from dataclasses import dataclass

from training.backbones.cost import Cost
from training.config import RunConfig
from training.device import on_gpu
from training.head.layout import share
from training.head.sharded import CHUNK
from training.plan import Plan

FLOAT = 4


@dataclass(frozen=True)
class Memory:
    """Bytes on one rank. rows: of the head. head: rows and their momentum (and gradient where one is kept).

    network: parameters, gradients, momentum, average. activations: kept for backward in one forward, about.
    logits: of the head's chunks and the gathered batch, about. save: a copy of the state while a checkpoint is written.
    """

    rank: int
    rows: int
    head: int
    network: int
    activations: int
    logits: int
    save: int

    @property
    def total(self) -> int:
        """At the peak, beside what Python, torch and the data's index take."""
        return self.head + self.network + self.activations + self.logits + self.save


def memory_of(config: RunConfig, plan: Plan, of: Cost) -> list[Memory]:
    """One entry a rank. of: what the network costs."""
    half = config.optimisation.amp != "fp32"
    kept = of.activation_bytes // (2 if half else 1) * plan.forward
    copies = 2 + bool(config.optimisation.momentum) + bool(config.optimisation.ema)
    states = FLOAT * of.parameters * copies
    saved = states - FLOAT * of.parameters
    return [_of_rank(rank, config, plan, states, saved, kept) for rank in range(plan.ranks)]


def _of_rank(rank: int, config: RunConfig, plan: Plan, states: int, saved: int, kept: int) -> Memory:
    dimension, together = config.model.dimension, plan.forward * plan.ranks
    rows = share(plan.classes, rank, plan.ranks).rows if config.loss.name != "none" else 0
    in_pass_two = plan.logit_map is not None and config.head.in_pass_two and config.head.backend != "dense"
    momentum = bool(config.optimisation.momentum)
    head = FLOAT * dimension * rows * (1 + momentum + (not in_pass_two))
    logits = FLOAT * (_of_logits(config, plan, rows) + 3 * together * dimension)
    copied = FLOAT * dimension * rows * (1 + momentum) + saved if config.saving.asynchronous else 0
    return Memory(rank, rows, head, states, kept, logits, copied)


def _of_logits(config: RunConfig, plan: Plan, rows: int) -> int:
    """Numbers that the head has of a batch and its classes at the peak."""
    together = plan.forward * plan.ranks
    if plan.logit_map is None or config.head.backend == "dense":
        return 3 * together * rows
    chunk = min(rows, config.head.chunk or CHUNK["cuda" if on_gpu(config) else "cpu"])
    # Triton's kernels never write a cosine: what a chunk takes there is its operand and its gradient.
    return 2 * chunk * config.model.dimension if config.head.backend == "triton" else 3 * together * chunk
