"""SGD that makes each chunk of a head's gradient, applies it and drops it: no gradient of the whole head exists.

The same numbers as torch.optim.SGD on the kept gradient. Whether the step is taken, and how far, is settled before
the first row changes, from the losses and the embeddings' gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from training.head.fused import Chunk, places
from training.head.pass_two import Recorded, gradients
from training.head.sharded import ShardedClassifier


@dataclass(frozen=True)
class Verdict:
    """On the batches since the last step, the same on every rank.

    finite: whether losses and gradients are. norm: length of the gradient by the unit embeddings of the global
    batches, the loss scale taken away. coefficient: what to multiply gradients by so that the norm is at most the
    one allowed, 0..1; apply it to the backbone's too.
    """

    finite: bool
    norm: float
    coefficient: float


class PassTwoSGD(Optimizer):
    """torch.optim.SGD for a ShardedClassifier's rows, in pass two; schedulers work with it as with any optimizer.

    Backward only records the batch (B D numbers); `step` runs pass two over all batches recorded since the last
    one, so accumulated gradients are exact and cost no memory by class. State: one momentum buffer (C_r, D).
    """

    def __init__(
        self,
        head: ShardedClassifier,
        lr: float,
        *,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        max_norm: float | None = None,
    ) -> None:
        """lr, momentum, weight_decay, nesterov as in torch.optim.SGD. max_norm: see Verdict; None: no clipping."""
        if lr < 0 or momentum < 0 or weight_decay < 0:
            raise ValueError(
                f"lr, momentum and weight_decay are at least 0; they are {lr}, {momentum}, {weight_decay}"
            )
        if nesterov and momentum == 0:
            raise ValueError("Nesterov's step needs a momentum above 0")
        if max_norm is not None and not max_norm > 0:
            raise ValueError(f"the largest norm allowed must be above 0; it is {max_norm}")
        if head.backend is None:
            raise ValueError("the dense backend has no pass two; take chunked or triton, or torch.optim.SGD")
        if head.recorder is not None:
            raise ValueError("this head has an optimizer in pass two already")
        settings = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "nesterov": nesterov}
        super().__init__([head.weight], settings)
        self.head, self.max_norm = head, max_norm
        self._backend = head.backend
        self._recorded: list[Recorded] = []
        self._verdict: Verdict | None = None
        head.recorder = self._record

    def _record(self, record: Recorded) -> None:
        if record.chosen is not None and self._recorded:
            raise RuntimeError("a sampled head takes one batch a step; accumulate without sampling")
        self._recorded.append(record)
        self._verdict = None

    @property
    def recorded(self) -> int:
        """Batches that wait for a step."""
        return len(self._recorded)

    def verdict(self, loss_scale: float = 1.0) -> Verdict:
        """What `step` will do, known before it. Collective: one sum of two numbers, made once a step.

        loss_scale: what the loss was multiplied by before backward (torch.amp.GradScaler.get_scale()).
        """
        if self._verdict is None:
            norm = math.sqrt(self._squares()) / loss_scale
            finite = math.isfinite(norm)
            clipped = self.max_norm is not None and finite and norm > self.max_norm
            self._verdict = Verdict(finite, norm, self.max_norm / norm if clipped and self.max_norm else 1.0)
        return self._verdict

    def _squares(self) -> float:
        """Of the embeddings' gradient over all ranks; NaN where a log-sum is not finite."""
        zero = self.head.weight.new_zeros((), dtype=torch.float64)
        mine = sum((record.share_of_norm.double() for record in self._recorded), zero)
        bad = [~torch.isfinite(record.log_sum).all() for record in self._recorded]
        if bad:
            mine = torch.where(torch.stack(bad).any(), torch.nan, mine)
        return float(self.head.ranks.sum(mine, "squares of the gradient"))

    @torch.no_grad()
    def step(  # type: ignore[override]
        self, closure: Callable[[], float] | None = None, *, loss_scale: float = 1.0
    ) -> Verdict:
        """Update every row by the recorded batches, or none where something is not finite; forget the batches.

        RuntimeError where the rows were changed between forward and now. closure is not supported.
        """
        if closure is not None:
            raise ValueError("PassTwoSGD takes no closure: run forward and backward, then step")
        verdict = self.verdict(loss_scale)
        records, self._recorded, self._verdict = self._recorded, [], None
        if not records or not verdict.finite:
            return verdict
        chosen = records[0].chosen
        for chunk, gradient in gradients(self._backend, self.head.weight, chosen, records):
            self._apply(chunk, chosen, gradient.mul_(verdict.coefficient / loss_scale))
        return verdict

    def _apply(self, chunk: Chunk, chosen: Tensor | None, gradient: Tensor) -> None:
        """One chunk of torch.optim.SGD's step, in its order of operations."""
        weight, group = self.head.weight, self.param_groups[0]
        where = places(chosen, chunk.start, chunk.stop)
        rows = weight[where]
        if group["weight_decay"]:
            gradient.add_(rows, alpha=group["weight_decay"])
        if group["momentum"]:
            buffer = self._momentum()
            kept = buffer[where].mul_(group["momentum"]).add_(gradient)
            _write(buffer, where, kept)
            gradient = gradient.add_(kept, alpha=group["momentum"]) if group["nesterov"] else kept
        _write(weight, where, rows.add_(gradient, alpha=-group["lr"]))

    def _momentum(self) -> Tensor:
        """(C_r, D), zero before the first step: then the first buffer is the gradient, as in torch.optim.SGD."""
        state: dict[str, Any] = self.state[self.head.weight]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(self.head.weight)
        buffer: Tensor = state["momentum_buffer"]
        return buffer

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the recorded batches."""
        super().zero_grad(set_to_none)
        self._recorded, self._verdict = [], None


def _write(rows: Tensor, where: slice | Tensor, values: Tensor) -> None:
    if isinstance(where, Tensor):  # a slice's values are a view of these very rows, changed in place
        rows[where] = values
