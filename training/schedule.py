"""How far a step goes, by its number: a factor on the learning rate, a function of the step alone; holds no state."""

from __future__ import annotations

import math
from typing import Literal

Kind = Literal["cosine", "polynomial", "constant"]


def rate_factor(step: int, steps: int, *, warmup: float, kind: Kind) -> float:
    """Of step 0..steps-1, 0..1: rising linearly over the first share `warmup` of steps, then as the kind says.

    cosine: half a wave down to 0 (Loshchilov 2017, eq. 5). polynomial: (1 - t)^2, the face trainers' choice.
    constant: 1. t is the share of the steps after the warm-up that has passed. ValueError outside the steps.
    """
    if not 0 <= step < steps:
        raise ValueError(f"step {step} is outside 0..{steps - 1}")
    rising = round(warmup * steps)
    if step < rising:
        return (step + 1) / rising
    passed = (step - rising) / max(1, steps - rising)
    if kind == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * passed))
    if kind == "polynomial":
        return (1.0 - passed) ** 2
    return 1.0
