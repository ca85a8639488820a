"""The convolution that the convolutional networks are made of, with its first values; no network of its own."""

from __future__ import annotations

from torch import nn

from training.backbones.cpu import PReLU, StridedDepthwise

FIRST_SLOPE = 0.25
"""Of a PReLU: He 2015 (arXiv 1502.01852), section 2.1."""


def convolution(
    channels: int, out: int, kernel: int, stride: int = 1, *, groups: int = 1, padding: int | None = None
) -> nn.Conv2d:
    """(B, channels, H, W) -> (B, out, H / stride, W / stride), without bias: batch normalisation stands beside it.

    padding: None keeps the size. First values are normal with variance 2 / ((1 + a^2) n), a the first slope of
    a PReLU, n the inputs of one output: He 2015, eq. 15. n counts the inputs of one group only.
    """
    kind = StridedDepthwise if groups == channels and stride > 1 else nn.Conv2d
    around = kernel // 2 if padding is None else padding
    made = kind(channels, out, kernel, stride, around, groups=groups, bias=False)
    nn.init.kaiming_normal_(made.weight, a=FIRST_SLOPE, mode="fan_in", nonlinearity="leaky_relu")
    return made


def prelu(channels: int) -> nn.Module:
    """(B, channels, H, W) -> the same, a slope a channel."""
    return PReLU(channels, FIRST_SLOPE)
