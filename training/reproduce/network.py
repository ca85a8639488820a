"""The network of the small tables: stages of 3 x 3 convolutions with a linear end; for no faces."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from training.backbones.convolution import convolution, prelu


class Stages(nn.Module):
    """Images (B, planes, side, side) float -> embeddings (B, dimension) float32, not normalised.

    After LeNet++ of Wen 2016 (center loss, table 1), with batch normalisation, and two 3 x 3 kernels where that has
    one of 5 x 5. A stage is `depth` layers of convolution, normalisation and PReLU; its last layer halves the map by
    its maxima, before the normalisation, which so has a quarter of the work. The end is linear and leaves an
    embedding's length free, because softmax and center loss live by it. It is computed outside autocast.

    channels: of the stages, the first at least 16. First values come from torch's generator alone.
    """

    def __init__(self, planes: int, side: int, channels: Sequence[int], depth: int, dimension: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = planes
        for out in channels:
            for at in range(depth):
                layers.append(convolution(before, out, 3))
                if at == depth - 1:
                    layers.append(nn.MaxPool2d(2))
                layers += [nn.BatchNorm2d(out), prelu(out)]
                before = out
            side //= 2
        self.body = nn.Sequential(*layers)
        features = before * side * side
        self.linear = nn.Linear(features, dimension)
        nn.init.normal_(self.linear.weight, std=features**-0.5)
        nn.init.zeros_(self.linear.bias)

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        features = self.body(images).flatten(1)
        with torch.autocast(features.device.type, enabled=False):
            embeddings: Tensor = self.linear(features.float())
        return embeddings
