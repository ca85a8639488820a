"""From what was recorded of a batch to the gradient of centroid rows, a chunk at a time; changes no row.

The loss and its normaliser are known by now, so nothing here talks to another rank.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from training.head.fused import Background, Chunk, Classes, Targets


class Backend(Protocol):
    """Both passes over the classes of one rank; see `fused.Chunked` for shapes."""

    chunk: int

    def pass_one(self, batch: Tensor, classes: Classes, targets: Targets, with_pull: bool) -> Background:
        """What each row sums up to over the classes here but its own."""
        ...

    def pass_two(self, batch: Tensor, chunk: Chunk, own: Targets, log_sum: Tensor) -> tuple[Tensor, Tensor]:
        """Gradient of the loss's sum by one chunk's directions, own classes left out, and its part along them."""
        ...


@dataclass(frozen=True)
class Recorded:
    """What pass two needs of a batch once its loss is known; no part of it grows with the classes.

    batch (B, D) unit rows of all ranks; log_sum (B,); most_rest: log of the largest share of probability that a row
    gives to other classes, a scalar tensor; targets (T,) of this rank, with their cosines (T,) and the
    derivative of their rows' losses by them (T,); chosen: classes taken part, or None for all; share_of_norm:
    squares of this rank's rows of dloss/dembedding, summed; factor: upstream gradient / B, a scalar tensor.
    """

    batch: Tensor
    log_sum: Tensor
    most_rest: Tensor
    targets: Targets
    cosine: Tensor
    by_cosine: Tensor
    chosen: Tensor | None
    version: int
    share_of_norm: Tensor
    factor: Tensor


def chunk_gradient(backend: Backend, chunk: Chunk, records: list[Recorded]) -> Tensor:
    """dloss/drows (n, D) of one chunk of classes, summed over the recorded batches.

    With G_ij the derivative by the cosine, the row's gradient is what G^T xh has across its direction, over its
    length.
    """
    push = torch.zeros_like(chunk.unit)
    along = torch.zeros_like(chunk.inverse)
    for record in records:
        begin, end = torch.searchsorted(
            record.targets.columns, record.targets.columns.new_tensor([chunk.start, chunk.stop])
        ).tolist()
        own = record.targets.part(begin, end, chunk.start)
        # Probabilities come out divided by the largest there can be: small ones then survive half precision.
        rest, rest_along = backend.pass_two(record.batch, chunk, own, record.log_sum + record.most_rest)
        by_cosine = record.by_cosine[begin:end] * record.factor
        push += rest.mul_(record.most_rest.exp() * record.factor)
        push.index_add_(0, own.columns, by_cosine[:, None] * record.batch[own.rows])
        along += rest_along.mul_(record.most_rest.exp() * record.factor)
        along.index_add_(0, own.columns, by_cosine * record.cosine[begin:end])
    return push.addcmul_(chunk.unit, along[:, None], value=-1.0).mul_(chunk.inverse[:, None])


def weight_gradient(backend: Backend, weight: Tensor, records: list[Recorded]) -> Tensor:
    """dloss/dweight (C_r, D), all of it at once; rows that took no part have zero."""
    chosen = records[0].chosen
    gradient = torch.empty_like(weight) if chosen is None else torch.zeros_like(weight)
    for chunk in Classes(weight, chosen).chunks(backend.chunk):
        rows = chunk_gradient(backend, chunk, records)
        if chosen is None:
            gradient[chunk.start : chunk.stop] = rows
        else:
            gradient[chosen[chunk.start : chunk.stop]] = rows
    return gradient
