"""From what was recorded of a batch to the gradient of centroid rows, a chunk at a time; changes no row.

The loss and its normaliser are known by now, so nothing here talks to another rank.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from training.head.fused import Background, Chunk, Classes, Targets, places


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


def gradients(
    backend: Backend, weight: Tensor, chosen: Tensor | None, records: list[Recorded]
) -> Iterator[tuple[Chunk, Tensor]]:
    """Chunk by chunk, dloss/drows (n, D) of its classes, summed over the recorded batches.

    A chunk's rows may be changed once it was yielded. RuntimeError, before the first, where rows were changed since
    a batch was recorded.
    """
    if any(record.version != weight._version for record in records):
        raise RuntimeError("the head's rows were changed between forward and step; the step was not taken")
    classes = Classes(weight, chosen)
    begins = [record.targets.starts(backend.chunk, len(classes)) for record in records]
    for number, chunk in enumerate(classes.chunks(backend.chunk)):
        own = [
            record.targets.part(starts[number], starts[number + 1], chunk.start)
            for record, starts in zip(records, begins, strict=True)
        ]
        yield chunk, _chunk_gradient(backend, chunk, records, own, [starts[number] for starts in begins])


def _chunk_gradient(
    backend: Backend, chunk: Chunk, records: list[Recorded], own: list[Targets], begins: list[int]
) -> Tensor:
    """A row's gradient is what G^T xh has across its direction, over its length; G_ij: the derivative by the cosine."""
    push = torch.zeros_like(chunk.unit)
    along = torch.zeros_like(chunk.inverse)
    for record, here, begin in zip(records, own, begins, strict=True):
        # Probabilities come out divided by the largest there can be: small ones then survive half precision.
        rest, rest_along = backend.pass_two(record.batch, chunk, here, record.log_sum + record.most_rest)
        part = slice(begin, begin + len(here.rows))
        by_cosine = record.by_cosine[part] * record.factor
        push += rest.mul_(record.most_rest.exp() * record.factor)
        push.index_add_(0, here.columns, by_cosine[:, None] * record.batch[here.rows])
        along += rest_along.mul_(record.most_rest.exp() * record.factor)
        along.index_add_(0, here.columns, by_cosine * record.cosine[part])
    return push.addcmul_(chunk.unit, along[:, None], value=-1.0).mul_(chunk.inverse[:, None])


def weight_gradient(backend: Backend, weight: Tensor, record: Recorded) -> Tensor:
    """dloss/dweight (C_r, D) of one batch, all of it at once; rows that took no part have zero."""
    chosen = record.chosen
    whole = torch.empty_like(weight) if chosen is None else torch.zeros_like(weight)
    for chunk, rows in gradients(backend, weight, chosen, [record]):
        whole[places(chosen, chunk.start, chunk.stop)] = rows
    return whole
