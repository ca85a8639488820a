"""What a batch costs: the classifier's loss, the pairs' and the distance to a teacher, added up; takes no step."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from training.config import ConfigError, Loss, RunConfig
from training.head.sharded import ShardedClassifier
from training.losses.baselines import Softmax
from training.losses.pairs import PairLoss
from training.losses.pairwise import CirclePairs, Unified
from training.losses.rivals import MultiSimilarity, TripletPairs
from training.plan import Plan
from training.ranks import Ranks
from training.teacher import Teacher

PAIRS: dict[str, type[PairLoss]] = {
    "unified": Unified,
    "circle": CirclePairs,
    "triplet": TripletPairs,
    "multi-similarity": MultiSimilarity,
}


class Objective:
    """Called with a batch: the scalar to minimise. head: what holds the centroids, or None.

    parts: the last batch's losses by name, before their weights, the mean over all ranks.
    """

    def __init__(self, config: RunConfig, plan: Plan, ranks: Ranks, device: torch.device) -> None:
        """Collective. ConfigError where the settings do not go together."""
        self.loss, self.ranks = config.loss, ranks
        self.head = head_of(config, plan, ranks, device)
        self.pairs = PAIRS[config.loss.pairs]() if config.loss.pairs else None
        self.teacher = teacher_of(config.loss, config.model.dimension, device)
        self.parts: dict[str, Tensor] = {}

    def __call__(self, embeddings: Tensor, crops: Tensor, labels: Tensor) -> Tensor:
        """Embeddings (b, D) float32 of crops (b, 112, 112, 3) uint8 and labels (b,) int64, of this rank."""
        total = embeddings.new_zeros(())
        if self.head is not None:
            total = total + self._noted(self.loss.name, self.head(embeddings, labels))
        if self.pairs is not None:
            pairs = self._noted(f"{self.loss.pairs}-pairs", self.pairs(embeddings, labels, self.ranks))
            total = total + self.loss.pairs_weight * pairs
        if self.teacher is not None:
            away = (1.0 - functional.cosine_similarity(embeddings, self.teacher(crops))).mean()
            self._noted("distillation", self.ranks.sum(away.detach()) / self.ranks.size)
            total = total + self.loss.distillation * away
        return total

    def _noted(self, name: str, value: Tensor) -> Tensor:
        self.parts[name] = value.detach()
        return value

    def value(self) -> Tensor:
        """The last batch's loss over all ranks: the parts with their weights."""
        weights = {"distillation": self.loss.distillation, f"{self.loss.pairs}-pairs": self.loss.pairs_weight}
        return torch.stack([weights.get(name, 1.0) * part for name, part in self.parts.items()]).sum()


def head_of(
    config: RunConfig, plan: Plan, ranks: Ranks, device: torch.device
) -> ShardedClassifier | Softmax | None:
    """The classifier of a run, with first values. Collective."""
    if config.loss.name == "none":
        return None
    if plan.logit_map is None:
        if ranks.size > 1:
            raise ConfigError(
                "loss.name = 'softmax' is a baseline for one process; normface is its sharded kin"
            )
        return Softmax(plan.classes, config.model.dimension, config.seed).to(device)
    chosen = config.head
    if chosen.backend == "dense" and (ranks.size > 1 or chosen.sample is not None):
        raise ConfigError("head.backend = 'dense' keeps all logits in one process: no ranks, no head.sample")
    if chosen.sample is not None and config.optimisation.accumulate > 1 and chosen.in_pass_two:
        raise ConfigError("head.sample takes one forward a step: set optimisation.accumulate = 1")
    return ShardedClassifier(
        plan.classes,
        config.model.dimension,
        plan.logit_map,
        ranks=ranks,
        seed=config.seed,
        operands=chosen.operands,
        sample=chosen.sample,
        backend=chosen.backend,
        chunk=chosen.chunk,
        device=device,
    )


def teacher_of(loss: Loss, dimension: int, device: torch.device) -> Teacher | None:
    """The teacher of a run; ConfigError where its templates have another dimension than the network's."""
    if loss.teacher is None:
        return None
    teacher = Teacher(loss.teacher, device)
    if teacher.dimension != dimension:
        raise ConfigError(
            f"loss.teacher = {loss.teacher!r} gives {teacher.dimension} dimensions and model.dimension is "
            f"{dimension}; a cosine needs both alike: set model.dimension = {teacher.dimension}"
        )
    return teacher
