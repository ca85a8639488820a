"""One step of every optimizer, or of none; knows no data and no loss."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import SGD, Optimizer

from training.config import RunConfig
from training.head.pass_two_sgd import PassTwoSGD
from training.head.sharded import ShardedClassifier
from training.losses.baselines import Softmax


@dataclass(frozen=True)
class Taken:
    """finite: whether the step was taken. norm: of the network's gradient over all ranks, before clipping.

    rate: the network's learning rate.
    """

    finite: bool
    norm: float
    rate: float


class Updates:
    """SGD with momentum for the network and the head, with clipping, loss scaling and an average of the weights.

    network, head: the optimizers; every momentum buffer is there from the start, so that state can be loaded into it.
    average: a copy of the network that follows it (Polyak and Juditsky 1992), or None.
    """

    def __init__(
        self,
        network: nn.Module,
        head: ShardedClassifier | Softmax | None,
        config: RunConfig,
        device: torch.device,
    ) -> None:
        chosen = config.optimisation
        self._parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        self._followed = network
        self.network = SGD(_groups(network, chosen.weight_decay), chosen.lr, chosen.momentum)
        self.head = _head_optimizer(head, config)
        self.average = copy.deepcopy(network).eval().requires_grad_(False) if chosen.ema else None
        self.scaler = torch.amp.GradScaler(device.type, enabled=chosen.amp == "fp16")
        self._clip, self._decay = chosen.clip or math.inf, chosen.ema
        self._statistics = [buffer for buffer in network.buffers() if buffer.is_floating_point()]
        self._before: list[Tensor] = []
        optimizers = [self.network] if self.head is None else [self.network, self.head]
        self._rates = [(group, group["lr"]) for one in optimizers for group in one.param_groups]
        for one in optimizers:
            _begin_momentum(one)

    @torch.no_grad()
    def begin(self) -> None:
        """Before the forward passes of a step: what they do to running statistics goes if the step is skipped."""
        self._before = [buffer.clone() for buffer in self._statistics]

    def backward(self, loss: Tensor) -> None:
        """Gradients of a part of the step's loss, added to those before it."""
        torch.autograd.backward(self.scaler.scale(loss))

    def take(self, factor: float) -> Taken:
        """Step at `factor` times the rates, or skip where a gradient is not finite; then forget the gradients.

        Collective where the head is sharded.
        """
        for group, rate in self._rates:
            group["lr"] = rate * factor
        scale = float(self.scaler.get_scale())
        for optimizer in (self.network, self.head):
            if optimizer is not None and not isinstance(optimizer, PassTwoSGD):
                self.scaler.unscale_(optimizer)
        norm = float(clip_grad_norm_(self._parameters, self._clip))
        finite = math.isfinite(norm)
        if isinstance(self.head, PassTwoSGD):
            finite = self.head.verdict(scale).finite and finite
        if finite:
            self._step(scale)
        else:
            self._take_back()
        self._before = []
        for optimizer in (self.network, self.head):
            if optimizer is not None:
                optimizer.zero_grad()
        if self.scaler.is_enabled():
            self.scaler.update()
        return Taken(finite, norm, self.network.param_groups[0]["lr"])

    @torch.no_grad()
    def _take_back(self) -> None:
        # A forward pass that overflowed leaves NaN in them, which no later batch would wash out.
        if self._before:
            torch._foreach_copy_(self._statistics, self._before)

    @torch.no_grad()
    def _step(self, scale: float) -> None:
        self.network.step()
        if isinstance(self.head, PassTwoSGD):
            self.head.step(loss_scale=scale)
        elif self.head is not None:
            self.head.step()
        if self.average is not None:
            values: list[Tensor] = list(self.average.parameters())
            current: list[Tensor] = list(self._followed.parameters())
            torch._foreach_lerp_(values, current, 1.0 - self._decay)
            for kept, buffer in zip(self.average.buffers(), self._followed.buffers(), strict=True):
                kept.copy_(buffer)


def momentum(optimizer: Optimizer, parameter: Tensor) -> Tensor:
    """The momentum buffer of a parameter, of its shape."""
    buffer: Tensor = optimizer.state[parameter]["momentum_buffer"]
    return buffer


def _groups(network: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Decay pulls on directions; a bias, a slope or a factor of a norm (one dimension) has none."""
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    matrices = [parameter for parameter in learning if parameter.ndim > 1]
    rest = [parameter for parameter in learning if parameter.ndim <= 1]
    return [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": rest, "weight_decay": 0.0},
    ]


def _head_optimizer(head: ShardedClassifier | Softmax | None, config: RunConfig) -> Optimizer | None:
    chosen = config.optimisation
    rate = chosen.lr * config.head.lr_factor
    if head is None:
        return None
    if isinstance(head, ShardedClassifier) and config.head.in_pass_two and head.backend is not None:
        return PassTwoSGD(head, rate, momentum=chosen.momentum, weight_decay=chosen.weight_decay)
    return SGD(_groups(head, chosen.weight_decay), rate, chosen.momentum)


def _begin_momentum(optimizer: Optimizer) -> None:
    # The first buffer is the gradient, which is also what a zero buffer becomes.
    for group in optimizer.param_groups:
        for parameter in group["params"] if group["momentum"] else ():
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
