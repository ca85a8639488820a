"""Batch normalisation over the whole batch of all ranks, on any device; torch's own is for GPUs alone.

Without it each rank normalises by its own part of a batch, and what is learned depends on the number of ranks.
Exchanges a layer: one gather of 2 C + 1 numbers forward, one sum of 2 C backward. Every rank must run both.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm

from training.ranks import Ranks


class Synchronised(_BatchNorm):
    """(B, C, ...) -> the same: as the layer it replaces, whose parameters and buffers it takes over.

    In training mode mean and variance are those of all ranks' rows, which may differ in number; running values
    follow them, alike on every rank. In evaluation mode nothing is exchanged.
    """

    def __init__(self, of: _BatchNorm, ranks: Ranks) -> None:
        super().__init__(of.num_features, of.eps, of.momentum, of.affine, of.track_running_stats)
        self.weight, self.bias = of.weight, of.bias
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            setattr(self, name, getattr(of, name))
        self.training = of.training
        self._ranks = ranks

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim < 2:
            raise ValueError(f"batch normalisation takes (B, C, ...); it was given {tuple(input.shape)}")

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        if not self.training:
            return super().forward(x)
        self._check_input_dim(x)
        normal, mean, variance, rows = _Normal.apply(x, self.eps, self._ranks)  # type: ignore[no-untyped-call]
        self._follow(mean, variance, rows)
        if not self.affine:
            return normal  # type: ignore[no-any-return]
        shape = _shape(x)
        scaled: Tensor = normal * self.weight.view(shape).to(x.dtype) + self.bias.view(shape).to(x.dtype)
        return scaled

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, rows: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        share = self.momentum if self.momentum is not None else 1.0 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        unbiased = variance * (rows / (rows - 1.0).clamp_min(1.0))
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), share)


class _Normal(torch.autograd.Function):
    """(x - mean) / deviation over all ranks, with the mean, the variance (C,) and the number of values of a channel."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float, ranks: Ranks) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        wide = x if x.dtype == torch.float64 else x.float()
        over = _over(x)
        here = wide.new_tensor([x.numel() // x.shape[1]])
        variance, mean = torch.var_mean(wide, over, correction=0)
        every = ranks.gather(torch.cat([here, mean, variance])[None], "means of batch normalisation")
        rows, means, variances = every[:, :1], *every[:, 1:].chunk(2, 1)
        total = rows.sum()
        mean = (rows * means).sum(0) / total
        # Chan 1983: the variance of parts is that within them and that of their means.
        variance = (rows * (variances + (means - mean).square())).sum(0) / total
        inverse = torch.rsqrt(variance + eps)
        shape = _shape(x)
        normal = ((wide - mean.view(shape)) * inverse.view(shape)).to(x.dtype)
        ctx.save_for_backward(normal, inverse, total)
        ctx.ranks = ranks
        ctx.mark_non_differentiable(mean, variance, total)
        return normal, mean, variance, total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Any) -> tuple[Tensor, None, None]:
        normal, inverse, total = ctx.saved_tensors
        wide = gradient.to(inverse.dtype)
        over, shape = _over(gradient), _shape(gradient)
        here = torch.cat([wide.sum(over), (wide * normal).sum(over)])
        mean, along = (ctx.ranks.sum(here, "gradients of batch normalisation") / total).chunk(2)
        by_x = (wide - mean.view(shape) - normal * along.view(shape)) * inverse.view(shape)
        return by_x.to(gradient.dtype), None, None


def synchronise(network: nn.Module, ranks: Ranks) -> None:
    """Replace every batch normalisation in place; parameters, buffers and their names stay. Nothing with one rank."""
    if ranks.size == 1:
        return
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, _BatchNorm) and not isinstance(child, Synchronised):
                setattr(module, name, Synchronised(child, ranks))


def _over(x: Tensor) -> list[int]:
    return [0, *range(2, x.ndim)]


def _shape(x: Tensor) -> list[int]:
    return [1, -1, *[1] * (x.ndim - 2)]
