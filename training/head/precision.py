"""Numbers of the two big products: full, or half-size operands whose sums stay in full; no loss and no state."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

LIFT = 2.0**14
"""What probabilities are multiplied by before they become fp16: of 10M classes most have one near 1e-7, below what
fp16 can tell from 0. Lifted, 4e-9 to 1 keep all their digits, and 1 times a slope below 4 scales does not overflow.
"""

OPERANDS = {"fp32": None, "fp16": torch.float16, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Precision:
    """How operands of matrix products are rounded; what is summed is float32 (or float64) always.

    On a GPU rounded operands run on its tensor cores. A CPU multiplies the rounded numbers in full precision:
    the same results but for the order of sums, at no gain in speed.
    """

    operand: torch.dtype | None = None

    @property
    def lift(self) -> float:
        """What to multiply probabilities by before rounding, and divide results by."""
        return LIFT if self.operand is not None else 1.0

    def rounded(self, values: Tensor) -> Tensor:
        """The values as operands; the argument itself in full precision."""
        if self.operand is None:
            return values
        rounded = values.to(self.operand)
        return rounded if values.is_cuda else rounded.to(values.dtype)

    def product(self, left: Tensor, right: Tensor) -> Tensor:
        """left (n, k) @ right (k, m), both from `rounded`, with sums in full precision."""
        if left.dtype in (torch.float16, torch.bfloat16):
            return torch.mm(left, right, out_dtype=torch.float32)
        return torch.mm(left, right)


def precision(name: str) -> Precision:
    """By the name users write: fp32 (exact operands, also of a float64 head), fp16 or bf16."""
    if name not in OPERANDS:
        raise ValueError(f"there is no precision {name!r}; there are {', '.join(OPERANDS)}")
    return Precision(OPERANDS[name])
