"""MobileFaceNet (Chen 2018, arXiv 1804.07573), a million parameters for phones and CPUs; nothing is pretrained."""

from __future__ import annotations

import math

from torch import Tensor, nn

from training.backbones.checkpointing import through
from training.backbones.convolution import convolution, prelu
from training.backbones.embedding import Embedding
from training.backbones.registry import Backbone, register

STAGES = ((2, 64, 5, 2), (4, 128, 1, 2), (2, 128, 6, 1), (4, 128, 1, 2), (2, 128, 2, 1))
"""Bottlenecks of the paper's table 1: expansion t, channels c, repetitions n, stride s of the first."""


@register("mobilefacenet")
class MobileFaceNet(Backbone):
    """Table 1 of the paper, layer by layer.

    Its last line, the linear 1 x 1 convolution to 128 numbers, is the Embedding. width: factor on all channels,
    above 0; they are rounded to multiples of 8, as in MobileNetV2 (Sandler 2018). First values: `convolution`;
    the paper gives none. It trains with weight decay 4e-5, and 4e-4 behind the global convolution (section 4.1).
    """

    def __init__(
        self, dimension: int = 128, *, width: float = 1.0, gradient_checkpointing: bool = False
    ) -> None:
        if not (math.isfinite(width) and width > 0):
            raise ValueError(f"a width must be finite and above 0; it is {width}")
        first, last = _rounded(64 * width), _rounded(512 * width)
        super().__init__(Embedding(last, dimension), gradient_checkpointing)
        self.stem = nn.Sequential(*_layer(3, first, 3, 2), *_layer(first, first, 3, groups=first))
        self.blocks = nn.ModuleList()
        channels = first
        for expansion, wide, repetitions, stride in STAGES:
            for at in range(repetitions):
                out = _rounded(wide * width)
                self.blocks.append(Bottleneck(channels, out, expansion, stride if at == 0 else 1))
                channels = out
        self.last = nn.Sequential(*_layer(channels, last, 1))
        # A weight for each place instead of an average over all: a face's corners tell less than its middle.
        self.everywhere = nn.Sequential(*_linear(last, last, 7, groups=last, padding=0))

    def features(self, images: Tensor) -> Tensor:
        """See Backbone.features."""
        x = through(self.blocks, self.stem(images), checkpointing=self.gradient_checkpointing)
        return self.everywhere(self.last(x)).flatten(1)  # type: ignore[no-any-return]


class Bottleneck(nn.Module):
    """Expand by 1 x 1, filter each channel by 3 x 3, project by a linear 1 x 1: (B, C, H, W) -> (B, out, H/s, W/s).

    The inverted residual of MobileNetV2 (Sandler 2018, arXiv 1801.04381, table 1) with PReLU for ReLU6; x is
    added where the shape stays.
    """

    def __init__(self, channels: int, out: int, expansion: int, stride: int) -> None:
        super().__init__()
        inside = channels * expansion
        self.body = nn.Sequential(
            *_layer(channels, inside, 1),
            *_layer(inside, inside, 3, stride, groups=inside),
            *_linear(inside, out, 1),
        )
        self.residual = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        y: Tensor = self.body(x)
        return x + y if self.residual else y


def _linear(
    channels: int, out: int, kernel: int, stride: int = 1, *, groups: int = 1, padding: int | None = None
) -> list[nn.Module]:
    made = convolution(channels, out, kernel, stride, groups=groups, padding=padding)
    return [made, nn.BatchNorm2d(out)]


def _layer(channels: int, out: int, kernel: int, stride: int = 1, *, groups: int = 1) -> list[nn.Module]:
    return [*_linear(channels, out, kernel, stride, groups=groups), prelu(out)]


def _rounded(channels: float) -> int:
    return max(8, int(channels + 4) // 8 * 8)
