"""The unified loss and Circle loss on pairs (Sun 2020, arXiv 2002.10857); their class-level forms are logit maps."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from training.losses.logit_maps import check_setting
from training.losses.pairs import PairLoss, Pairs


@dataclass(frozen=True)
class Unified(PairLoss):
    """log[1 + sum_i sum_j exp(g (s_n^j - s_p^i + m))] per anchor (eq. 1).

    With one positive and class weights for candidates it is AM-Softmax; over g it tends to the hard triplet loss.
    """

    scale: float = 64.0
    margin: float = 0.35

    def __post_init__(self) -> None:
        check_setting(self.scale, self.margin)

    def costs(self, pairs: Pairs) -> Tensor:
        """See PairLoss.costs."""
        return self.of(pairs.cosine, pairs.same, pairs.other)

    def of(self, cosine: Tensor, same: Tensor, other: Tensor) -> Tensor:
        """(b,) of any similarities (b, n) with masks of the within-class and the between-class ones."""
        pulled = _log_sum(-self.scale * (cosine - self.margin), same)
        return functional.softplus(pulled + _log_sum(self.scale * cosine, other), threshold=50.0)


@dataclass(frozen=True)
class CirclePairs(PairLoss):
    """log[1 + sum_j exp(g a_n (s_n^j - m)) sum_i exp(-g a_p (s_p^i - 1 + m))] per anchor (eq. 5 to 10).

    a_n = [s_n + m]+ and a_p = [1 + m - s_p]+ are constants for the gradient. Defaults: fine-grained retrieval, P = 16
    classes of K = 5; faces take g = 256, m = 0.25, re-identification g = 128, m = 0.25.
    """

    scale: float = 80.0
    margin: float = 0.4

    def __post_init__(self) -> None:
        check_setting(self.scale, self.margin)

    def costs(self, pairs: Pairs) -> Tensor:
        """See PairLoss.costs."""
        return self.of(pairs.cosine, pairs.same, pairs.other)

    def of(self, cosine: Tensor, same: Tensor, other: Tensor) -> Tensor:
        """(b,) of any similarities (b, n) with masks of the within-class and the between-class ones."""
        held = cosine.detach()
        pace_same = (1.0 + self.margin - held).clamp_min(0.0)
        pace_other = (held + self.margin).clamp_min(0.0)
        pulled = _log_sum(-self.scale * pace_same * (cosine - (1.0 - self.margin)), same)
        pushed = _log_sum(self.scale * pace_other * (cosine - self.margin), other)
        return functional.softplus(pulled + pushed, threshold=50.0)


def _log_sum(values: Tensor, chosen: Tensor) -> Tensor:
    """(b,) log of the sum of exp over the chosen; very low, and without gradient, where none is."""
    lowest = torch.finfo(values.dtype).min / 4
    return values.masked_fill(~chosen, lowest).logsumexp(1)
