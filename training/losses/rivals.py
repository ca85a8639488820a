"""Pair losses that Circle is compared with, computed by pytorch-metric-learning; their batches and ranks are ours.

The library is right where its triples and pairs are given to it: left to itself with candidates of other ranks, it
takes an anchor for its own positive. So they are listed here, and it computes each anchor's cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from pytorch_metric_learning.distances import CosineSimilarity
from pytorch_metric_learning.losses import MultiSimilarityLoss
from torch import Tensor

from training.losses.pairs import PairLoss, Pairs


@dataclass(frozen=True)
class TripletPairs(PairLoss):
    """[d_ap - d_an + m]+ on squared distances of unit rows (Schroff 2015), that is [2 s_an - 2 s_ap + m]+.

    mining: "all", the mean over an anchor's triples, or "hard", its farthest positive with its nearest negative
    (Hermans 2017). Our own arithmetic: the library averages over triples that still cost something, not over all.
    """

    margin: float = 0.2
    mining: Literal["all", "hard"] = "hard"

    def __post_init__(self) -> None:
        if not 0.0 <= self.margin <= 4.0:
            raise ValueError(
                f"a margin between squared distances of unit rows lies in 0..4; it is {self.margin}"
            )
        if self.mining not in ("all", "hard"):
            raise ValueError(f"there is no mining {self.mining!r}; there are all and hard")

    def costs(self, pairs: Pairs) -> Tensor:
        """See PairLoss.costs. The form of all triples takes (b, B, B) numbers."""
        if self.mining == "hard":
            farthest = pairs.cosine.masked_fill(~pairs.same, 2.0).amin(1)
            nearest = pairs.cosine.masked_fill(~pairs.other, -2.0).amax(1)
            return (2.0 * (nearest - farthest) + self.margin).clamp_min(0.0)
        gap = 2.0 * (pairs.cosine[:, None, :] - pairs.cosine[:, :, None]) + self.margin
        triples = pairs.same[:, :, None] & pairs.other[:, None, :]
        cost = gap.clamp_min(0.0).masked_fill(~triples, 0.0).sum((1, 2))
        return cost / triples.sum((1, 2)).clamp_min(1)


@dataclass(frozen=True)
class MultiSimilarity(PairLoss):
    """log[1 + sum exp(-alpha (s_p - base))] / alpha + log[1 + sum exp(beta (s_n - base))] / beta (Wang 2019, eq. 15).

    Over all pairs of an anchor, without the paper's mining of them.
    """

    alpha: float = 2.0
    beta: float = 50.0
    base: float = 0.5

    def __post_init__(self) -> None:
        if not (self.alpha > 0 and self.beta > 0):
            raise ValueError(f"alpha and beta must be above 0; they are {self.alpha} and {self.beta}")

    def costs(self, pairs: Pairs) -> Tensor:
        """See PairLoss.costs. Without any pair the library has no costs, and none are looked at."""
        if not pairs.usable.any():
            return pairs.cosine.sum(1) * 0.0
        rule = MultiSimilarityLoss(self.alpha, self.beta, self.base, distance=CosineSimilarity())
        same, other = torch.nonzero(pairs.same, as_tuple=True), torch.nonzero(pairs.other, as_tuple=True)
        found = rule.compute_loss(
            pairs.unit, pairs.labels, (*same, *other), pairs.candidates, pairs.candidate_labels
        )
        costs: Tensor = found["loss"]["losses"]
        return costs.squeeze(1)
