"""The losses written as their papers write them, for autograd in float64, row by row: slow, and of no map of ours."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def literal_logit(name: str, cosine: Tensor, own: bool, scale: float, margin: float) -> Tensor:
    """z of one cosine (a scalar that requires grad) by the formula of the paper."""
    if name == "circle":
        if own:
            return scale * (1 + margin - cosine).clamp_min(0).detach() * (cosine - (1 - margin))
        return scale * (cosine + margin).clamp_min(0).detach() * (cosine - margin)
    if not own or name in ("coco", "normface"):
        return scale * cosine
    if name in ("cosface", "am-softmax"):
        return scale * (cosine - margin)
    if cosine.item() <= math.cos(math.pi - margin):
        return scale * (cosine - margin * math.sin(margin))
    return scale * torch.cos(torch.acos(cosine) + margin)


def literal_loss(
    name: str, embeddings: Tensor, weight: Tensor, labels: Tensor, scale: float, margin: float
) -> Tensor:
    """Mean cross-entropy, one logit at a time."""
    losses = []
    for x, label in zip(embeddings, labels.tolist(), strict=True):
        logits = [
            literal_logit(name, x @ w / (x.norm() * w.norm()), j == label, scale, margin)
            for j, w in enumerate(weight)
        ]
        losses.append(torch.stack(logits).logsumexp(0) - logits[label])
    return torch.stack(losses).mean()
