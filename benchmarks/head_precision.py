"""What half-size operands cost the head: relative errors of loss and gradients against float64, on a CPU.

`python -m benchmarks.head_precision [--json]`. States: random embeddings, as at the first step, and embeddings
near their centroids (cosine .9), as at the last. `naive` is the usual autocast: all logits in that type.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass

import torch
from torch import Tensor
from torch.nn import functional

from training.head.sharded import ShardedClassifier
from training.losses.logit_maps import LogitMap, logit_map, logits

LOSSES = {"coco": {"scale": 16.0}, "arcface": {}, "circle": {}}
STATES = {"first step": 0.0, "recognised": 2.0}
CLASSES, DIMENSION, ROWS = 5000, 512, 64


@dataclass(frozen=True)
class Error:
    """Relative errors; gradients by their norm."""

    loss: str
    state: str
    operands: str
    of_loss: float
    of_embeddings: float
    of_rows: float


def batch(pull: float, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Embeddings (ROWS, DIMENSION) float64, `pull` towards their centroid, and labels."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, CLASSES, (ROWS,), generator=generator)
    noise = torch.randn(ROWS, DIMENSION, generator=generator, dtype=torch.float64) / DIMENSION**0.5
    return functional.normalize(rows[labels]) * pull + noise, labels


def answer(of: LogitMap, pull: float, **options: object) -> tuple[Tensor, Tensor, Tensor]:
    """Loss, gradient by embeddings, gradient by rows."""
    head = ShardedClassifier(CLASSES, DIMENSION, of, **options)  # type: ignore[arg-type]
    x, labels = batch(pull, head.weight.detach().double())
    x = x.to(head.weight.dtype).requires_grad_()
    loss = head(x, labels)
    loss.backward()
    assert x.grad is not None
    assert head.weight.grad is not None
    return loss.detach(), x.grad, head.weight.grad


def naive(of: LogitMap, pull: float, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """The same with cosines and logits in `dtype`."""
    rows = ShardedClassifier(CLASSES, DIMENSION, of).weight.detach().requires_grad_()
    x, labels = batch(pull, rows.detach().double())
    x = x.float().requires_grad_()
    cosine = functional.normalize(x).to(dtype) @ functional.normalize(rows).to(dtype).T
    loss = functional.cross_entropy(logits(cosine, labels, of), labels)
    loss.backward()
    assert x.grad is not None
    assert rows.grad is not None
    return loss.detach(), x.grad, rows.grad


def relative(value: Tensor, truth: Tensor) -> float:
    """Norm of the difference over the norm of the truth."""
    return float((value.double() - truth).norm() / truth.norm())


def table() -> list[Error]:
    """Every loss, state and kind of operand."""
    errors = []
    for name, settings in LOSSES.items():
        of = logit_map(name, **settings)
        for state, pull in STATES.items():
            truth = answer(of, pull, dtype=torch.float64)
            answers = {"fp32": answer(of, pull)}
            for kind, dtype in (("fp16", torch.float16), ("bf16", torch.bfloat16)):
                answers[kind] = answer(of, pull, operands=kind)
                answers[f"{kind}, rounded targets"] = answer(of, pull, operands=kind, exact_targets=False)
                answers[f"{kind}, naive"] = naive(of, pull, dtype)
            for operands, parts in answers.items():
                off = [relative(part, true) for part, true in zip(parts, truth, strict=True)]
                errors.append(Error(name, state, operands, *off))
    return errors


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    errors = table()
    if parser.parse_args().json:
        print(json.dumps([asdict(error) for error in errors]))
        return
    print("| loss | state | operands | loss off by | dX | dW |\n|---|---|---|---|---|---|")
    for error in errors:
        print(
            f"| {error.loss} | {error.state} | {error.operands} | {error.of_loss:.1e} "
            f"| {error.of_embeddings:.1e} | {error.of_rows:.1e} |"
        )


if __name__ == "__main__":
    main()
