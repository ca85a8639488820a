"""What a network costs by its graph: parameters, multiply-adds, memory of a step; it measures no time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from training.backbones.registry import SIDE

BATCH = 2
"""Images of the dry run: the fewest that batch normalisation trains on."""


def _attention(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return int(sdpa_flop_count(query, key, value))  # type: ignore[no-untyped-call]


UNCOUNTED = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention}
"""Attention as CPUs do it, which torch's counter (2.13) passes over; functions of shapes."""


@dataclass(frozen=True)
class Cost:
    """parameters: numbers, trained or not. multiply_adds: of an image forward, in convolutions, linear layers and
    attention; a training step takes three times as many. activation_bytes: what autograd keeps of an image for
    backward, in the parameters' type; bfloat16 or float16 by autocast take about half.
    """

    parameters: int
    multiply_adds: int
    activation_bytes: int

    def __str__(self) -> str:
        return (
            f"{self.parameters / 1e6:.2f} M parameters, {self.multiply_adds / 1e6:,.0f} M multiply-adds, "
            f"{self.activation_bytes / 2**20:.0f} MiB of activations an image"
        )


def cost(module: nn.Module, side: int = SIDE) -> Cost:
    """The cost of `module` for images (B, 3, side, side), in the mode, training or not, that it is in.

    A dry run on tensors that have a shape and a device but no memory: quick for the largest, and the state of
    the module stays as it is.
    """
    with FakeTensorMode(allow_non_fake_inputs=True) as dry:
        state: dict[str, Tensor] = {
            name: dry.from_tensor(tensor) for name, tensor in module.state_dict(keep_vars=True).items()
        }
        some = next(module.parameters())
        images = torch.empty(BATCH, 3, side, side, device=some.device, dtype=some.dtype)
        kept = _Storages()
        counter = FlopCounterMode(display=False, custom_mapping=UNCOUNTED)
        with counter, torch.autograd.graph.saved_tensors_hooks(kept.note, kept.give):
            functional_call(module, state, (images,))
    return Cost(
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        multiply_adds=counter.get_total_flops() // 2 // BATCH,
        activation_bytes=kept.bytes(besides=state.values()) // BATCH,
    )


class _Storages:
    """What autograd keeps, each storage once: views of one tensor share it."""

    def __init__(self) -> None:
        self._noted: dict[int, Tensor] = {}

    def note(self, tensor: Tensor) -> Tensor:
        # The tensor stays with its number, lest a freed storage's number goes to another.
        self._noted.setdefault(_number(tensor), tensor)
        return tensor

    def give(self, tensor: Tensor) -> Tensor:
        return tensor

    def bytes(self, *, besides: Iterable[Tensor]) -> int:
        state = {_number(tensor) for tensor in besides}
        return sum(
            tensor.untyped_storage().nbytes() for number, tensor in self._noted.items() if number not in state
        )


def _number(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
