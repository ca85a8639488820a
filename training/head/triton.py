"""Both passes of the head as fused GPU kernels that never write a cosine to memory; holds no formula of a kernel.

Pass one is FlashAttention's forward (Dao 2022, 2023) with embeddings as queries, centroids as keys and as values, and
a loss's slopes in the weights; pass two makes the cosines again as its backward and cut cross-entropy's do (Wijmans
2024). Numbers are those of `fused.Chunked`, the order of sums apart, and the same from run to run on one kind of GPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from training.head.fused import LOWEST, Background, Chunk, Classes, Targets
from training.head.precision import Precision
from training.losses.logit_maps import ArcFace, Circle, CosFace, LogitMap, ScaledCosine

try:
    import triton
    from triton.runtime.interpreter import InterpretedFunction

    from training.head import triton_kernels as kernels
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        "backend='triton' needs Triton: pip install 'cocircle[triton]'", name=missing.name
    ) from missing

MAPS: dict[type, Any] = {
    ScaledCosine: kernels.linear,
    CosFace: kernels.linear,
    ArcFace: kernels.linear,
    Circle: kernels.paced,
}
"""By the exact type: a subclass may have changed `rest`."""

INTERPRETED = isinstance(kernels.push, InterpretedFunction)
"""Whether TRITON_INTERPRET=1 was set when Triton was imported."""

ROUNDS: dict[torch.dtype | None, Any] = {
    None: kernels.full,
    torch.float16: kernels.half,
    torch.bfloat16: kernels.bfloat_by_hand if INTERPRETED else kernels.bfloat,
}

BUSY = 0.9
"""Of the multiprocessors that a launch of pass one must keep at work, counted in whole rounds."""


@dataclass(frozen=True)
class Blocks:
    """held: rows of the batch in pass one, classes in pass two, that a program keeps; streamed: of the others, at a
    time. wide, step: see `triton_kernels`. parts: programs that share the dimensions of one gradient.
    """

    held: int
    streamed: int
    wide: int
    step: int
    parts: int
    stages: int
    warps: int = 8


def blocks(dimension: int, precision: Precision) -> Blocks:
    """Sizes for an H100, by what its multiprocessor has: 256 KB of registers, 255 a thread, and 227 KB shared.

    Half: gradients of the held take `held` x `wide` x 4 bytes of registers, at most half of them, 128 a thread:
    128 x 256 or 64 x 512. Shared, the held operands take 64 KB and a streamed block 32 KB: at 512 four of those, 192 KB
    in all, so that three are on their way while one is used. Of blocks of 64 only two fit, and Triton then begins
    to copy one when the other is done with. Float32 has no tensor cores that are exact: 32 x 32 cosines and 128
    dimensions at a time are what 255 registers a thread bear; the cosines are made once per 128 dimensions.
    `tests/training/test_triton.py` compiles these for sm_90 and holds them to it.
    """
    whole = max(16, triton.next_power_of_2(dimension))
    if precision.operand is None:
        wide = min(whole, 128)
        return Blocks(32, 32, wide, min(whole, 32), whole // wide, stages=2)
    if whole <= 256:
        return Blocks(128, 64, whole, whole, 1, stages=3)
    return Blocks(64, 32, 512, 512 if whole == 512 else 64, whole // 512, stages=4 if whole == 512 else 3)


class TritonPasses:
    """`pass_two.Backend` on an NVIDIA GPU; on a CPU only in Triton's interpreter, slowly, for a check.

    Memory: one chunk of directions in the operands' type, and in pass one (splits, B, D) float32 sums.
    """

    def __init__(self, of: LogitMap, precision: Precision, chunk: int) -> None:
        """chunk: classes at a time. TypeError names a map that no kernel knows."""
        if type(of) not in MAPS:
            known = ", ".join(sorted(kind.__name__ for kind in MAPS))
            raise TypeError(
                f"there is no Triton kernel of {type(of).__name__}, only of {known}; take backend='chunked'"
            )
        self.of, self.precision, self.chunk = of, precision, chunk
        self._map, self._margin = MAPS[type(of)], float(getattr(of, "margin", 0.0))
        self._round = ROUNDS[precision.operand]

    def pass_one(self, batch: Tensor, classes: Classes, targets: Targets, with_pull: bool) -> Background:
        """batch (B, D) float32 unit rows -> what each row sums up to over the classes here but its own.

        Each split of the classes sums for itself, from chunk to chunk; the splits meet at the end.
        """
        _check(batch)
        rows, dimension = batch.shape
        size = blocks(dimension, self.precision)
        chunk = min(self.chunk, len(classes))
        parts = size.parts if with_pull else 1
        row_blocks = triton.cdiv(rows, size.held)
        splits = _splits(row_blocks * parts, triton.cdiv(chunk, size.streamed), batch.device)
        largest, total = batch.new_full((parts, splits, rows), LOWEST), batch.new_zeros(parts, splits, rows)
        pull = batch.new_zeros(splits, rows, dimension) if with_pull else None
        operand, own = self.precision.rounded(batch), _own(targets, rows)
        # Made once a chunk rather than in each program: 16 blocks of rows would else read every centroid in full
        # size, and what they read out of the cache is what bounds this kernel.
        unit = operand.new_empty(chunk, dimension)
        with torch.cuda.device_of(batch):  # type: ignore[no-untyped-call]
            for start in range(0, len(classes), self.chunk):
                count = min(self.chunk, len(classes) - start)
                _directions(classes, start, count, unit, self._round)
                kernels.background[(row_blocks, splits, parts)](
                    operand,
                    unit,
                    own,
                    largest,
                    total,
                    total if pull is None else pull,
                    self.of.scale,
                    self._margin,
                    self.precision.lift,
                    start,
                    rows,
                    count,
                    MAP=self._map,
                    ROUND=self._round,
                    PULL=with_pull,
                    D=dimension,
                    WIDE=size.wide,
                    STEP=size.step,
                    ROWS=size.held,
                    CLASSES=size.streamed,
                    num_warps=size.warps,
                    num_stages=size.stages,
                )
        largest, total = largest[0], total[0]
        top = largest.amax(0)
        fade = (largest - top).exp_()
        if pull is not None:
            pull = pull.mul_(fade[:, :, None]).sum(0).mul_(self.of.scale / self.precision.lift)
        return Background(top, total.mul_(fade).sum(0), pull)

    def pass_two(self, batch: Tensor, chunk: Chunk, own: Targets, log_sum: Tensor) -> tuple[Tensor, Tensor]:
        """sum_i p_ij slope_ij xh_i (n, D), and the same sum of s_ij (n,), over the rows i that are not of class j.

        log_sum (B,): the normaliser over all classes of all ranks.
        """
        _check(batch)
        rows, dimension = batch.shape
        size = blocks(dimension, self.precision)
        count = len(chunk.unit)
        pushes, along = batch.new_empty(count, dimension), batch.new_empty(size.parts, count)
        with torch.cuda.device_of(batch):  # type: ignore[no-untyped-call]
            kernels.push[(triton.cdiv(count, size.held), size.parts)](
                self.precision.rounded(batch),
                self.precision.rounded(chunk.unit),
                _own(own, rows),
                log_sum,
                pushes,
                along,
                self.of.scale,
                self._margin,
                self.precision.lift,
                rows,
                count,
                MAP=self._map,
                ROUND=self._round,
                D=dimension,
                WIDE=size.wide,
                STEP=size.step,
                ROWS=size.streamed,
                CLASSES=size.held,
                num_warps=size.warps,
                num_stages=size.stages,
            )
        return pushes, along.sum(0)


def _check(batch: Tensor) -> None:
    """RuntimeError unless on a GPU or, in the interpreter, on a CPU; TypeError for a float64 head."""
    if not (batch.is_cuda or INTERPRETED):
        raise RuntimeError(
            f"backend='triton' needs a GPU, and the batch is on {batch.device}: take backend='chunked', "
            "or set TRITON_INTERPRET=1 before the start to check a small problem"
        )
    if batch.is_cuda and INTERPRETED:
        raise RuntimeError(
            f"TRITON_INTERPRET=1 is set, and the batch is on {batch.device}: the interpreter checks a head on a CPU"
        )
    if batch.dtype != torch.float32:
        raise TypeError(f"backend='triton' takes float32 rows, not {batch.dtype}: take backend='chunked'")


def _own(targets: Targets, rows: int) -> Tensor:
    """(rows,) int32: the position of each row's own class, -1 where it is not here."""
    own = torch.full((rows,), -1, dtype=torch.int32, device=targets.rows.device)
    own[targets.rows] = targets.columns.to(torch.int32)
    return own


def _directions(classes: Classes, start: int, count: int, unit: Tensor, rounds: Any) -> None:
    """Fill unit with the classes start..start+count-1: read once in full, written once as operands."""
    weight, chosen = classes.weight, classes.chosen
    whole = triton.next_power_of_2(weight.shape[1])
    rows = max(1, 8192 // whole)  # 32 numbers a thread
    kernels.directions[(triton.cdiv(count, rows),)](
        weight,
        weight if chosen is None else chosen,
        unit,
        weight.stride(0),
        start,
        count,
        LISTED=chosen is not None,
        ROUND=rounds,
        D=weight.shape[1],
        WHOLE=whole,
        ROWS=rows,
        num_warps=8,
    )


def _splits(programs: int, tiles: int, device: torch.device) -> int:
    """The fewest splits of a chunk's tiles that keep the GPU busy; a split costs (B, D) floats and their traffic."""
    # The interpreter has no multiprocessors; it shall combine several splits too.
    many = torch.cuda.get_device_properties(device).multi_processor_count if device.type == "cuda" else 4
    for splits in range(1, tiles):
        rounds = triton.cdiv(programs * splits, many)
        if programs * splits >= BUSY * rounds * many:
            return splits
    return max(1, tiles)
