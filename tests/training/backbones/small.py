"""Each family at a size that trains in milliseconds."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from training.backbones import backbone
from training.backbones.registry import Backbone

SMALL: dict[str, dict[str, Any]] = {
    "mobilefacenet": {"width": 0.125},
    "iresnet-18": {"width": 16, "depths": (1, 2, 1, 1), "dropout": 0.2},
    "vit-t": {"width": 32, "depth": 3, "heads": 2, "patch": 16, "stochastic_depth": 0.5},
}


def small(name: str, dimension: int = 16, *, seed: int = 0, **settings: Any) -> Backbone:
    torch.manual_seed(seed)
    return backbone(name, dimension, **(SMALL[name] | settings))


def images(count: int = 4, *, seed: int = 1) -> Tensor:
    return torch.rand(count, 3, 112, 112, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def settled(network: nn.Module) -> nn.Module:
    """In evaluation mode, with running statistics that fit its weights, as after training."""
    for norm in network.modules():
        if isinstance(norm, nn.modules.batchnorm._BatchNorm):
            norm.momentum = 1.0
    with torch.no_grad():
        network(images(16, seed=9))
    return network.eval()


def gradients(network: nn.Module) -> Tensor:
    """All gradients of a loss that is not blind to the last normalisation, in one row."""
    torch.manual_seed(7)
    embeddings = network(images())
    (embeddings * torch.arange(float(embeddings.numel())).sin().view_as(embeddings)).sum().backward()
    return torch.cat([p.grad.flatten().double() for p in network.parameters() if p.grad is not None])


def apart(one: Tensor, other: Tensor) -> float:
    """Norm of the difference over the norm."""
    return float((one - other).detach().norm() / one.detach().norm())
