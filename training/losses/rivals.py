"""Pair losses that Circle is compared with, computed by pytorch-metric-learning; their batches and ranks are ours.

The library (2.9) has the paper's formula. Of its own it takes an anchor for its own positive where candidates are given
beside the anchors, and its call answers 0 for one positive and one negative pair, as of a rank that brings one image.
So the pairs are listed here, and it computes each anchor's cost from their cosines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
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
        """See PairLoss.costs. The form of all triples takes b (K - 1) B numbers, K images of a class."""
        if self.mining == "hard":
            farthest = pairs.cosine.masked_fill(~pairs.same, 2.0).amin(1)
            nearest = pairs.cosine.masked_fill(~pairs.other, -2.0).amax(1)
            return (2.0 * (nearest - farthest) + self.margin).clamp_min(0.0)
        anchor, positive = pairs.same.nonzero(as_tuple=True)
        gap = 2.0 * (pairs.cosine[anchor] - pairs.cosine[anchor, positive][:, None]) + self.margin
        of_positive = gap.clamp_min(0.0).masked_fill(~pairs.other[anchor], 0.0).sum(1)
        cost = of_positive.new_zeros(len(pairs.cosine)).index_add(0, anchor, of_positive)
        return cost / (pairs.same.sum(1) * pairs.other.sum(1)).clamp_min(1)


@dataclass(frozen=True)
class MultiSimilarity(PairLoss):
    """log[1 + sum exp(-alpha (s_p - base))] / alpha + log[1 + sum exp(beta (s_n - base))] / beta (Wang 2019, eq. 15).

    Over all pairs of an anchor, without the paper's mining of them. Anchors that have pairs of one kind only count in
    the paper's mean, not in this one.
    """

    alpha: float = 2.0
    beta: float = 50.0
    base: float = 0.5

    def __post_init__(self) -> None:
        if not (self.alpha > 0 and self.beta > 0):
            raise ValueError(f"alpha and beta must be above 0; they are {self.alpha} and {self.beta}")

    def costs(self, pairs: Pairs) -> Tensor:
        """See PairLoss.costs."""
        rule = MultiSimilarityLoss(self.alpha, self.beta, self.base)
        same, other = torch.nonzero(pairs.same, as_tuple=True), torch.nonzero(pairs.other, as_tuple=True)
        # compute_loss would stop at its guard against too few pairs, on the rank that has so few alone.
        costs: Tensor = rule.mat_based_loss(pairs.cosine, (*same, *other))["loss"]["losses"]
        return costs.squeeze(1)
