"""The last layer of every network, from features to an embedding; it does not normalise to length 1."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Embedding(nn.Module):
    """Linear without bias, then batch normalisation: (B, features) -> (B, dimension) float32.

    FC-BN is the end that Deng 2019 (ArcFace, arXiv 1801.07698, section 3.1) found best, and what the linear
    1 x 1 convolution of MobileFaceNet amounts to on its 1 x 1 map. The normalisation's factors stay 1, as in
    ArcFace's released nets: only directions count later, and no coordinate shall outweigh another. Computed
    outside autocast, in the parameters' type: a cosine near 1 needs more than the 8 bits of bfloat16.

    First values: normal with variance 1 / features, so that a coordinate starts with the features' variance.
    ValueError if dimension is below 1.
    """

    def __init__(self, features: int, dimension: int) -> None:
        super().__init__()
        if dimension < 1:
            raise ValueError(f"an embedding needs at least 1 dimension; asked for were {dimension}")
        self.dimension = dimension
        self.linear = nn.Linear(features, dimension, bias=False)
        self.norm = nn.BatchNorm1d(dimension)
        self.norm.weight.requires_grad_(False)
        nn.init.normal_(self.linear.weight, std=features**-0.5)

    def forward(self, features: Tensor) -> Tensor:
        """See the class."""
        with torch.autocast(features.device.type, enabled=False):
            embeddings: Tensor = self.norm(self.linear(features.to(self.linear.weight.dtype)))
        return embeddings.float()
