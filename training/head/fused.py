"""Softmax over the classes of one rank, a chunk of classes at a time, logits never kept; talks to no other rank.

Shapes: B rows of the whole batch, D dimensions, C_r classes here, n of them in a chunk. Pass one goes over the
chunks and leaves per row the running maximum, the sum of exponentials and their weighted sum of centroids
(Milakov 2018; the weighted sum as in FlashAttention, Dao 2022). Pass two goes over them again when the normaliser
is known and yields the gradient of one chunk of centroids at a time. A row's own class is left out of both and added
from its exactly computed cosine: so 1 - p of a well recognised row keeps its digits.

Work: 8 B C_r D flops against 6 of the form that keeps all logits. Memory: a few (B, n) and (n, D) blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from training.head.precision import Precision
from training.losses.logit_maps import LogitMap

LOWEST = -1e30
"""Below every logit, and finite, so that a row without any other class here makes no NaN."""


@dataclass(frozen=True)
class Chunk:
    """Rows start..stop-1 of what is searched here, unit (n, D), and 1 / length of the stored rows (n,)."""

    start: int
    stop: int
    unit: Tensor
    inverse: Tensor


@dataclass(frozen=True)
class Classes:
    """The centroids a pass goes over: all rows of `weight` (C_r, D), or those that `chosen` (m,) lists."""

    weight: Tensor
    chosen: Tensor | None = None

    def __len__(self) -> int:
        return len(self.weight if self.chosen is None else self.chosen)

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Blocks of `size` classes with their directions."""
        for start in range(0, len(self), size):
            stop = min(start + size, len(self))
            rows = self.weight[places(self.chosen, start, stop)]
            inverse = torch.linalg.vector_norm(rows, dim=1).reciprocal_()
            yield Chunk(start, stop, rows * inverse[:, None], inverse)


def places(chosen: Tensor | None, start: int, stop: int) -> slice | Tensor:
    """Where classes start..stop-1 of what is gone over stand among the rows; a slice's rows are a view."""
    return slice(start, stop) if chosen is None else chosen[start:stop]


@dataclass(frozen=True)
class Targets:
    """The rows of the batch whose class is among the classes here; T of them, in order of their class.

    rows, columns (T,) int64: row of the batch, position among the classes. Sorted by column.
    """

    rows: Tensor
    columns: Tensor

    def starts(self, size: int, classes: int) -> list[int]:
        """Where the targets of each chunk of `size` classes begin, and the end of the last."""
        borders = torch.arange(0, classes + size, size, device=self.columns.device)
        begins: list[int] = torch.searchsorted(self.columns, borders).tolist()
        return begins

    def part(self, begin: int, end: int, offset: int) -> Targets:
        """Those of one chunk, with columns counted from its start."""
        return Targets(self.rows[begin:end], self.columns[begin:end] - offset)


def targets_among(labels: Tensor, start: int, classes: int, chosen: Tensor | None = None) -> Targets:
    """Which of the global labels (B,) lie among the classes start..start+classes-1, or the chosen (m,) of them.

    chosen must be sorted and hold every label of the range.
    """
    columns = labels - start
    rows = torch.nonzero((columns >= 0) & (columns < classes)).squeeze(1)
    columns = columns[rows]
    if chosen is not None:
        columns = torch.searchsorted(chosen, columns)
    columns, order = torch.sort(columns, stable=True)
    return Targets(rows[order], columns)


@dataclass(frozen=True)
class Background:
    """Of each row, over the classes here but its own: the largest logit, the sum of exp(z - largest), and the same
    sum of slope * centroid (B, D), None where no gradient is asked for.
    """

    largest: Tensor
    total: Tensor
    pull: Tensor | None

    @property
    def log_sum(self) -> Tensor:
        """(B,): log of the sum of exp(z); -inf where there is no other class."""
        return self.largest + self.total.log()


def empty_background(batch: Tensor, with_pull: bool) -> Background:
    """Before the first class."""
    rows = batch.shape[0]
    return Background(
        batch.new_full((rows,), LOWEST), batch.new_zeros(rows), torch.zeros_like(batch) if with_pull else None
    )


class Chunked:
    """Both passes in plain tensor operations, for CPU and GPU: the default backend."""

    def __init__(self, of: LogitMap, precision: Precision, chunk: int, compiled: bool = False) -> None:
        """chunk: classes at a time. compiled: let torch.compile fuse the map with the sums around it."""
        self.of, self.precision, self.chunk = of, precision, chunk
        self._slope = uniform_slope(of)
        self._softened = torch.compile(_softened, dynamic=True) if compiled else _softened
        self._weighed = torch.compile(_weighed, dynamic=True) if compiled else _weighed

    def pass_one(self, batch: Tensor, classes: Classes, targets: Targets, with_pull: bool) -> Background:
        """batch (B, D) unit rows -> what each row sums up to over the classes here but its own."""
        state = empty_background(batch, with_pull)
        operand = self.precision.rounded(batch)
        begins = targets.starts(self.chunk, len(classes))
        for number, chunk in enumerate(classes.chunks(self.chunk)):
            own = targets.part(begins[number], begins[number + 1], chunk.start)
            state = self._add(state, operand, chunk, own)
        return state

    def _add(self, state: Background, batch: Tensor, chunk: Chunk, own: Targets) -> Background:
        unit = self.precision.rounded(chunk.unit)
        cosine = self.precision.product(batch, unit.T)
        largest, faded, total, pulling = self._softened(cosine, state.largest, own.rows, own.columns, self.of)
        total = state.total * faded + total
        if state.pull is None:
            return replace(state, largest=largest, total=total)
        lift = self.precision.lift
        weights = pulling if lift == 1.0 else pulling * lift
        pull = state.pull.mul_(faded[:, None])
        product = self.precision.product(self.precision.rounded(weights), unit)
        return Background(largest, total, pull.add_(product, alpha=self._slope / lift))

    def pass_two(self, batch: Tensor, chunk: Chunk, own: Targets, log_sum: Tensor) -> tuple[Tensor, Tensor]:
        """sum_i p_ij slope_ij xh_i (n, D), and the same sum of s_ij (n,), over the rows i that are not of class j.

        log_sum (B,): the normaliser over all classes of all ranks.
        """
        operand, unit = self.precision.rounded(batch), self.precision.rounded(chunk.unit)
        cosine = self.precision.product(operand, unit.T)
        weights, along = self._weighed(cosine, log_sum, own.rows, own.columns, self.of)
        lift = self.precision.lift
        weights = weights if lift == 1.0 else weights * lift
        push = self.precision.product(self.precision.rounded(weights).T, operand)
        return push.mul_(self._slope / lift), along.mul_(self._slope)


def uniform_slope(of: LogitMap) -> float:
    """The factor that is left out of weights: the slope itself where it is one number, else the scale."""
    _, slope = of.rest(torch.zeros(1))
    return slope if not isinstance(slope, Tensor) else of.scale


def _softened(
    cosine: Tensor, largest: Tensor, rows: Tensor, columns: Tensor, of: LogitMap
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """New maximum (B,), what the old sums fade by (B,), the chunk's own sum (B,), and its weights (B, n)."""
    z, slope = of.rest(cosine)
    z[rows, columns] = -torch.inf
    grown = torch.maximum(largest, z.amax(1))
    share = z.sub_(grown[:, None]).exp_()
    total = share.sum(1)
    if isinstance(slope, Tensor):
        share.mul_(slope).mul_(1.0 / of.scale)
    return grown, (largest - grown).exp_(), total, share


def _weighed(
    cosine: Tensor, log_sum: Tensor, rows: Tensor, columns: Tensor, of: LogitMap
) -> tuple[Tensor, Tensor]:
    """Weights (B, n) of pass two, 0 for a row's own class, and their sum along the centroid (n,)."""
    z, slope = of.rest(cosine)
    weights = z.sub_(log_sum[:, None]).exp_()
    weights[rows, columns] = 0.0
    if isinstance(slope, Tensor):
        weights.mul_(slope).mul_(1.0 / of.scale)
    return weights, (weights * cosine).sum(0)
