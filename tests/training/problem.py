"""One classification problem, the same for any number of ranks, and its answer by dense autograd in float64."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from training.head.initial import fill_rows
from training.head.reference import dense_loss
from training.head.sharded import ShardedClassifier
from training.losses.logit_maps import LogitMap, logit_map
from training.ranks import Ranks


@dataclass(frozen=True)
class Problem:
    """labels: `any` class, `few` (all on the first rank, most of them twice), `one` class for every row."""

    loss: str = "arcface"
    classes: int = 251
    dimension: int = 19
    rows: int = 12
    labels: str = "any"
    seed: int = 5
    settings: dict[str, float] = field(default_factory=dict)

    @property
    def of(self) -> LogitMap:
        scale = {} if "margin" in self.settings or self.loss not in ("coco", "normface") else {"scale": 16.0}
        return logit_map(self.loss, **(scale | self.settings))

    def batch(self, step: int = 0) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(self.seed * 1000 + step)
        x = torch.randn(self.rows, self.dimension, generator=generator, dtype=torch.float64)
        most = {"any": self.classes, "few": max(1, min(self.classes, self.rows // 3)), "one": 1}[self.labels]
        return x, torch.randint(0, most, (self.rows,), generator=generator)

    def head(self, group: Any = None, **options: Any) -> ShardedClassifier:
        settings = {"seed": self.seed, "dtype": torch.float64, "chunk": 17, "ddp_averages": False} | options
        return ShardedClassifier(self.classes, self.dimension, self.of, ranks=Ranks(group), **settings)

    def rows_of(self, ranks: Ranks, whole: Tensor) -> Tensor:
        each = self.rows // ranks.size
        return whole[ranks.rank * each : (ranks.rank + 1) * each]


@dataclass
class Answer:
    loss: float
    by_embedding: Tensor
    by_weight: Tensor


def dense(problem: Problem) -> Answer:
    """One process, all logits, autograd."""
    x, labels = problem.batch()
    weight = torch.empty(problem.classes, problem.dimension, dtype=torch.float64)
    fill_rows(weight, 0, problem.seed)
    x.requires_grad_()
    loss = dense_loss(x, weight.requires_grad_(), labels, problem.of)
    loss.backward()
    return Answer(loss.item(), x.grad, weight.grad)


def sharded(group: Any, problem: Problem, options: dict[str, Any]) -> Answer:
    """This rank's part, by the head."""
    head = problem.head(group, **options)
    x, labels = (problem.rows_of(head.ranks, whole) for whole in problem.batch())
    x = x.clone().requires_grad_()
    loss = head(x, labels)
    loss.backward()
    return Answer(loss.item(), x.grad, head.weight.grad)


def joined(parts: list[Answer]) -> Answer:
    """The ranks' parts as one answer."""
    assert len({part.loss for part in parts}) == 1, "every rank must see the same loss"
    return Answer(
        parts[0].loss, torch.cat([p.by_embedding for p in parts]), torch.cat([p.by_weight for p in parts])
    )


def assert_equal(left: Answer, right: Answer, tolerance: float = 1e-10) -> None:
    """Within a tolerance relative to the largest entry of each gradient."""
    assert abs(left.loss - right.loss) <= tolerance * max(1.0, abs(right.loss))
    for mine, other in ((left.by_embedding, right.by_embedding), (left.by_weight, right.by_weight)):
        assert mine.shape == other.shape
        assert (mine - other).abs().max() <= tolerance * max(1.0, other.abs().max().item())
