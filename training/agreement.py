"""What all ranks must agree on before a step, so that a mistake on one is an error on all, not a hang."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from training.ranks import Ranks

DTYPES = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
LABELS = (torch.int64, torch.int32, torch.int16, torch.uint8)

FINE, LABEL_OUTSIDE, ZERO_ROW, NO_BATCH = 0, 1, 2, 3

WORDS = 8
"""Whole numbers that a rank says of its batch."""


class RanksDisagree(ValueError):
    """Ranks came with different batches or settings; the message names the ranks and their values."""


def agree_on_settings(ranks: Ranks, settings: dict[str, Any]) -> None:
    """Every rank must have made the head alike. Collective; raises RanksDisagree on all ranks."""
    every = ranks.objects(settings, "settings of the head")
    for rank, other in enumerate(every):
        for name, value in every[0].items():
            if other[name] != value:
                raise RanksDisagree(
                    f"the heads of rank 0 and rank {rank} differ in {name}: {value} and {other[name]}; "
                    "make them alike on every rank"
                )


def agree_on_batch(
    ranks: Ranks, embeddings: Tensor, labels: Tensor, classes: int, with_gradient: bool
) -> None:
    """Every rank must bring as many rows of the same kind, with labels in 0..classes-1 and no row of length zero.

    One small gather. A label or row that cannot be raises ValueError on every rank alike, and ranks that differ
    RanksDisagree; where a rank's arguments are no batch at all, it raises TypeError or ValueError and the others
    RanksDisagree.
    """
    what = "the agreement on the batch"
    try:
        _check_kinds(embeddings, labels)
    except (TypeError, ValueError):
        ranks.words(*[NO_BATCH] * WORDS, what=what)
        raise
    fault, row, value = _fault(embeddings, labels, classes)
    kind = DTYPES.index(embeddings.dtype), LABELS.index(labels.dtype)
    said = ranks.words(*embeddings.shape, *kind, with_gradient, fault, row, value, what=what)
    for rank, other in enumerate(said):
        if other[5] == NO_BATCH:
            raise RanksDisagree(f"what rank {rank} brought is no batch; its own error says why")
    names = ("rows", "dimensions", "dtype of embeddings", "dtype of labels", "gradients")
    for rank, other in enumerate(said):
        for at, name in enumerate(names):
            if other[at] != said[0][at]:
                raise RanksDisagree(
                    f"rank 0 and rank {rank} differ in {name}: {_shown(name, said[0][at])} and "
                    f"{_shown(name, other[at])}; every rank must bring a batch of the same form"
                )
    for rank, other in enumerate(said):
        _raise_fault(rank, ranks.size, classes, *other[5:])


def _check_kinds(embeddings: Tensor, labels: Tensor) -> None:
    if embeddings.ndim != 2 or labels.ndim != 1 or len(embeddings) != len(labels):
        raise ValueError(
            f"embeddings must be (b, D) and labels (b,); they are {tuple(embeddings.shape)} and {tuple(labels.shape)}"
        )
    if embeddings.dtype not in DTYPES:
        raise TypeError(f"embeddings must be floating point; they are {embeddings.dtype}")
    if labels.dtype not in LABELS:
        raise TypeError(f"labels must be whole numbers, best int64; they are {labels.dtype}")
    if len(embeddings) == 0:
        raise ValueError("the batch is empty; every rank must bring at least one row")


def _fault(embeddings: Tensor, labels: Tensor, classes: int) -> tuple[int, int, int]:
    """What is wrong with the values, the first row of it, and its label."""
    outside = (labels < 0) | (labels >= classes)
    zero = embeddings.detach().abs().amax(1) == 0
    if not bool((outside | zero).any()):
        return FINE, 0, 0
    fault, where = (LABEL_OUTSIDE, outside) if bool(outside.any()) else (ZERO_ROW, zero)
    row = int(where.nonzero()[0])
    return fault, row, int(labels[row])


def _raise_fault(rank: int, size: int, classes: int, fault: int, row: int, value: int) -> None:
    where = f"row {row}" if size == 1 else f"row {row} of rank {rank}"
    if fault == LABEL_OUTSIDE:
        raise ValueError(f"the label of {where} is {value}, outside 0..{classes - 1}")
    if fault == ZERO_ROW:
        raise ValueError(
            f"the embedding of {where} (label {value}) is zero and has no direction; look at the last layer of the "
            "backbone and at the image"
        )


def _shown(name: str, value: int) -> str:
    if name == "dtype of embeddings":
        return str(DTYPES[value])
    if name == "dtype of labels":
        return str(LABELS[value])
    return str(bool(value)) if name == "gradients" else str(value)
