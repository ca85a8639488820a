"""Which pairs a batch has, over all ranks, and their cosines: what pair losses share; no loss of its own.

Layout: anchors are this rank's b rows, candidates the rows of all R ranks, rank 0's first; an anchor is never its own
candidate. Exchanges: one gather of embeddings with a reduce-scatter in backward, one gather of labels, one sum of
two numbers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from training.agreement import agree_on_batch
from training.ranks import Ranks, gather_with_gradient

ANY_LABEL = 2**63 - 1


@dataclass(frozen=True)
class Pairs:
    """Cosines (b, B) of anchors with candidates, and which of them are of one class or of two; neither: itself.

    cosine: float64 where the embeddings are, else float32. same, other: bool.
    """

    cosine: Tensor
    same: Tensor
    other: Tensor

    @property
    def usable(self) -> Tensor:
        """(b,) bool: anchors with at least one candidate of each kind."""
        return self.same.any(1) & self.other.any(1)


class PairLoss(ABC):
    """A loss on the pairs of a batch, called with embeddings and labels; a new one says what an anchor costs."""

    @abstractmethod
    def costs(self, pairs: Pairs) -> Tensor:
        """(b,) per anchor; what it says of anchors that are not usable is not looked at."""

    def __call__(
        self, embeddings: Tensor, labels: Tensor, ranks: Ranks | None = None, *, ddp_averages: bool = True
    ) -> Tensor:
        """Embeddings (b, D), labels (b,) whole numbers, of this rank -> the mean cost of the usable anchors of all.

        The same scalar on every rank, 0 where no anchor is usable. The embeddings' gradient is that of the mean, times
        R with ddp_averages: DistributedDataParallel then divides. ranks: who shares the batch; None: this process
        alone. Half precision is computed in float32, also under autocast. ValueError as in `pairs_of`.
        """
        ranks = ranks or Ranks(alone=True)
        # A cosine of eight bits at scale 256 is a logit that is wrong by one.
        with torch.autocast(embeddings.device.type, enabled=False):
            pairs = pairs_of(embeddings, labels, ranks)
            costs = torch.where(pairs.usable, self.costs(pairs), pairs.cosine.new_zeros(()))
        here = torch.stack([costs.detach().sum(), pairs.usable.sum().to(costs.dtype)])
        total, anchors = ranks.sum(here, "costs of anchors")
        mine = costs.sum() / anchors.clamp_min(1.0)
        mine = mine * ranks.size if ddp_averages else mine
        # The value of the whole, the gradient of this rank's part: backward sums the parts of all ranks.
        loss: Tensor = mine + (total / anchors.clamp_min(1.0) - mine).detach()
        return loss


def pairs_of(embeddings: Tensor, labels: Tensor, ranks: Ranks) -> Pairs:
    """All pairs of anchors (b, D), with labels (b,) int64, and the candidates of all ranks.

    ValueError, on every rank, where a row has length zero, a label is negative or the ranks' batches differ in form.
    """
    agree_on_batch(ranks, embeddings, labels, ANY_LABEL, torch.is_grad_enabled() and embeddings.requires_grad)
    embeddings = embeddings if embeddings.dtype == torch.float64 else embeddings.float()
    unit = functional.normalize(embeddings, eps=0.0)
    labels = labels.to(torch.int64)
    candidates, candidate_labels = gather_with_gradient(unit, ranks), ranks.gather(labels, "labels")
    same = labels[:, None] == candidate_labels[None, :]
    itself = torch.zeros_like(same)
    itself[:, ranks.rank * len(labels) :].fill_diagonal_(True)
    return Pairs((unit @ candidates.T).clamp(-1.0, 1.0), same & ~itself, ~same)
