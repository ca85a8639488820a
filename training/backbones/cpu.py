"""Layers that torch 2.13 runs slowly on a CPU, by faster routes through torch; no new mathematics.

Values and gradients are those of the torch class each one extends, and so are its state and its exported
graph. Elsewhere than in eager mode on a CPU it is that class. What each is worth: benchmarks/backbones.py.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional


def traced() -> bool:
    """Whether operations are being recorded by torch.jit.trace, as the ONNX exporter does; sizes are tensors then."""
    return bool(torch.jit.is_tracing())  # type: ignore[attr-defined, no-untyped-call]


def _eager_on_cpu(x: Tensor) -> bool:
    return x.is_cpu and not torch.compiler.is_compiling() and not traced()


class PReLU(nn.PReLU):
    """x where x > 0, else slope * x, one slope a channel: (B, C, H, W) -> the same, in the type of x.

    torch computes the gradient one number at a time, which was half of a training step of MobileFaceNet; here
    it is five passes with vector instructions.
    """

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        slope = self.weight.to(x.dtype)
        if not _eager_on_cpu(x):
            return functional.prelu(x, slope)
        activated: Tensor = _PReLU.apply(x, slope)  # type: ignore[no-untyped-call]
        return activated


class _PReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: Tensor) -> Tensor:
        ctx.save_for_backward(x, slope)
        return functional.prelu(x, slope)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        x, slope = ctx.saved_tensors
        # One new tensor serves all passes: the system clears fresh memory in longer than a pass takes.
        room = x.clamp_max(0).mul_(gradient)
        of_slope = room.sum((0, 2, 3))
        # Not torch.where: like torch's own gradient it takes ten times as long as an arithmetic pass.
        above = torch.ops.aten.threshold_backward.grad_input(gradient, x, 0, grad_input=room)
        return torch.lerp(above, gradient, slope[:, None, None], out=room), of_slope


class StridedDepthwise(nn.Conv2d):
    """A depthwise convolution with a stride above 1.

    In bfloat16 its gradient by the input falls to a reference kernel, 130 ms a layer whatever the size. Here the
    output's gradient is spread over the input's grid, where stride 1 has a fast kernel.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H', W'), as nn.Conv2d."""
        if x.dtype != torch.bfloat16 or not _eager_on_cpu(x):
            return super().forward(x)
        weight = self.weight.to(x.dtype)
        convolved: Tensor = _StridedDepthwise.apply(x, weight, self.stride, self.padding)  # type: ignore[no-untyped-call]
        return convolved


class _StridedDepthwise(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, stride: tuple[int, int], padding: tuple[int, int]
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return functional.conv2d(x, weight, None, stride, padding, groups=len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, None, None]:
        x, weight = ctx.saved_tensors
        of_x = _backward(_spread(gradient, x, weight, ctx), x, weight, (1, 1), ctx.padding, 0)
        of_weight = _backward(gradient, x, weight, ctx.stride, ctx.padding, 1)
        return of_x, of_weight, None, None


def _spread(gradient: Tensor, x: Tensor, weight: Tensor, ctx: Any) -> Tensor:
    """The output's gradient where stride 1 would have it, zeros between."""
    height = x.shape[2] + 2 * ctx.padding[0] - weight.shape[2] + 1
    width = x.shape[3] + 2 * ctx.padding[1] - weight.shape[3] + 1
    shape = (*x.shape[:2], height, width)
    spread = torch.empty(shape, dtype=x.dtype, memory_format=torch.channels_last).zero_()
    spread[:, :, :: ctx.stride[0], :: ctx.stride[1]] = gradient
    return spread


def _backward(
    gradient: Tensor, x: Tensor, weight: Tensor, stride: tuple[int, int], padding: tuple[int, int], by: int
) -> Tensor:
    """The gradient by the input (by = 0) or the weight (by = 1) alone."""
    wanted = (by == 0, by == 1, False)
    found: list[Tensor] = torch.ops.aten.convolution_backward(
        gradient, x, weight, None, stride, padding, (1, 1), False, (0, 0), len(weight), wanted
    )
    return found[by]


class Linear(nn.Linear):
    """A linear layer over tokens: (B, N, features) -> (B, N, out).

    In float32 torch gives it to MKL, which leaves half of an AMD processor's vector width unused. As a 1 x 1
    convolution over a B x features x N x 1 image it goes to oneDNN, which does not.
    """

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        if x.dtype != torch.float32 or torch.is_autocast_enabled("cpu") or not _eager_on_cpu(x):
            return super().forward(x)
        image = x.unsqueeze(2).permute(0, 3, 1, 2)
        convolved = functional.conv2d(image, self.weight[:, :, None, None], self.bias)
        return convolved.permute(0, 2, 3, 1).squeeze(2)
