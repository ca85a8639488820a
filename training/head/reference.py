"""The loss with all its logits, by autograd: short enough to be believed, and what the fused form is held against."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from training.losses.logit_maps import LogitMap, logits


def dense_loss(embeddings: Tensor, weight: Tensor, labels: Tensor, of: LogitMap) -> Tensor:
    """Mean cross-entropy of embeddings (B, D) against centroids (C, D); labels (B,) int64. Keeps B x C logits."""
    cosine = functional.normalize(embeddings, eps=0.0) @ functional.normalize(weight, eps=0.0).T
    return functional.cross_entropy(logits(cosine, labels, of), labels)
