"""The Triton kernels of `triton.TritonPasses`: tiles of cosines that live in registers; no launch and no tensor.

Sizes known at compile time: D dimensions; a tile of ROWS of the batch and CLASSES; WIDE, how many dimensions of a
gradient one program sums, and STEP, how many of a cosine it multiplies at a time. STEP >= D: the vectors are held
whole, and then WIDE is STEP. Else they are read in pieces, and each of the programs that share the dimensions of a
gradient makes the cosines again.

A cosine's product stands in a branch that is always taken: where Triton sees the result of one product go into
another, it lays out the first so that every 16 rows of a tile need a warp of their own, and of the 8 warps of a tile
of 64 rows half then repeat the other half's work. It does not look across the end of a branch.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call, untyped-decorator"
# A kernel is another language in Python's grammar: its arguments are pointers, registers and compile-time numbers.

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def linear(cosine, scale, margin):
    """g s, for a class that is not the row's own, and its slope over g: ScaledCosine, CosFace and ArcFace."""
    return scale * cosine, 1.0


@triton.jit
def paced(cosine, scale, margin):
    """g [s + m]+ (s - m), for a class that is not the row's own, and its slope over g: Circle."""
    pace = tl.maximum(cosine + margin, 0.0)
    return scale * pace * (cosine - margin), pace


@triton.jit
def full(values):
    """Operands of float32."""
    return values


@triton.jit
def half(values):
    """Operands of float16."""
    return values.to(tl.float16)


@triton.jit
def bfloat(values):
    """Operands of bfloat16."""
    return values.to(tl.bfloat16)


@triton.jit
def bfloat_by_hand(values):
    """The same numbers as float32, for the interpreter: it cuts digits off and multiplies bfloat16 as integers."""
    bits = values.to(tl.uint32, bitcast=True)
    nearest_even = bits + 0x7FFF + ((bits >> 16) & 1)
    return ((nearest_even >> 16) << 16).to(tl.float32, bitcast=True)


@triton.jit
def _part(matrix, rows, count, dimensions, D: tl.constexpr):
    """Some rows and dimensions of a matrix (count, D); 0 outside of it."""
    inside = (rows < count)[:, None] & (dimensions < D)[None, :]
    # The product passes 2^31 in a chunk of 4.2M classes with 512 dimensions.
    places = rows.to(tl.int64)[:, None] * D + dimensions[None, :]
    return tl.load(matrix + places, mask=inside, other=0.0)


@triton.jit
def _products(
    left, left_rows, left_count, right, right_rows, right_count, D: tl.constexpr, STEP: tl.constexpr
):
    """Rows of one matrix times rows of another, read in pieces of STEP dimensions."""
    sums = tl.zeros((left_rows.shape[0], right_rows.shape[0]), tl.float32)
    for start in range(0, D, STEP):
        dimensions = start + tl.arange(0, STEP)
        one = _part(left, left_rows, left_count, dimensions, D)
        other = _part(right, right_rows, right_count, dimensions, D)
        sums = tl.dot(one, tl.trans(other), sums, input_precision="ieee")
    return sums


# A last, shorter chunk shall not be compiled for anew.
@triton.jit(do_not_specialize=["first", "count"])
def directions(
    weight,
    chosen,
    unit,
    stride,
    first,
    count,
    LISTED: tl.constexpr,
    ROUND: tl.constexpr,
    D: tl.constexpr,
    WHOLE: tl.constexpr,
    ROWS: tl.constexpr,
):
    """unit (count, D): stored rows first.. of `weight`, or those that `chosen` lists from there on, at length 1."""
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    dimensions = tl.arange(0, WHOLE)
    inside = (rows < count)[:, None] & (dimensions < D)[None, :]
    stored = first + rows.to(tl.int64)
    if LISTED:
        stored = tl.load(chosen + stored, mask=rows < count, other=0)
    values = tl.load(weight + stored[:, None] * stride + dimensions[None, :], mask=inside, other=0.0)
    inverse = 1.0 / tl.sqrt_rn(tl.sum(values * values, 1))
    places = rows.to(tl.int64)[:, None] * D + dimensions[None, :]
    tl.store(unit + places, ROUND(values * inverse[:, None]).to(unit.dtype.element_ty), mask=inside)


@triton.jit(do_not_specialize=["first", "classes"])
def background(
    batch,
    unit,
    own,
    largest,
    total,
    pull,
    scale,
    margin,
    lift,
    first,
    count,
    classes,
    MAP: tl.constexpr,
    ROUND: tl.constexpr,
    PULL: tl.constexpr,
    D: tl.constexpr,
    WIDE: tl.constexpr,
    STEP: tl.constexpr,
    ROWS: tl.constexpr,
    CLASSES: tl.constexpr,
):
    """Add a chunk of `classes` to the sums of `count` rows; a program: a block of rows, a split, a part of D.

    batch (count, D) and unit (classes, D) hold operands. own (count,) int32, counted as `first` is, -1 for
    none. Read and written: largest and total (parts of D, splits, count), the same in each part, and pull (splits,
    count, D) in units of scale / lift; all float32.
    """
    split, cut = tl.program_id(1), tl.program_id(2)
    operand = unit.dtype.element_ty
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    dimensions = cut * WIDE + tl.arange(0, WIDE)
    here = rows < count
    mine = tl.load(own + rows, mask=here, other=-1) - first
    state = (cut * tl.num_programs(1) + split).to(tl.int64) * count + rows
    top = tl.load(largest + state, mask=here, other=0.0)
    sums = tl.load(total + state, mask=here, other=0.0)
    if PULL:
        held = here[:, None] & (dimensions < D)[None, :]
        pulls = pull + (split.to(tl.int64) * count + rows)[:, None] * D + dimensions[None, :]
        pulled = tl.load(pulls, mask=held, other=0.0)
    if STEP >= D:
        x = _part(batch, rows, count, dimensions, D)
    for tile in range(split, tl.cdiv(classes, CLASSES), tl.num_programs(1)):
        columns = tile * CLASSES + tl.arange(0, CLASSES)
        if PULL or STEP >= D:
            w = _part(unit, columns, classes, dimensions, D)
        fade = top
        weights = tl.zeros((ROWS, CLASSES), operand)
        if tile * CLASSES < classes:
            if STEP >= D:
                cosine = tl.dot(x, tl.trans(w), input_precision="ieee")
            else:
                cosine = _products(batch, rows, count, unit, columns, classes, D, STEP)
            z, slope = MAP(cosine, scale, margin)
            others = (columns < classes)[None, :] & (columns[None, :] != mine[:, None])
            z = tl.where(others, z, float("-inf"))
            grown = tl.maximum(top, tl.max(z, 1))
            share = tl.exp(z - grown[:, None])
            fade = tl.exp(top - grown)
            sums = sums * fade + tl.sum(share, 1)
            top = grown
            weights = ROUND(share * slope * lift).to(operand)
        if PULL:
            pulled = tl.dot(weights, w, pulled * fade[:, None], input_precision="ieee")
    tl.store(largest + state, top, mask=here)
    tl.store(total + state, sums, mask=here)
    if PULL:
        tl.store(pulls, pulled, mask=held)


@triton.jit(do_not_specialize=["classes"])
def push(
    batch,
    unit,
    own,
    log_sum,
    pushes,
    along,
    scale,
    margin,
    lift,
    count,
    classes,
    MAP: tl.constexpr,
    ROUND: tl.constexpr,
    D: tl.constexpr,
    WIDE: tl.constexpr,
    STEP: tl.constexpr,
    ROWS: tl.constexpr,
    CLASSES: tl.constexpr,
):
    """pushes (classes, D) = G^T batch, G_ij = exp(z_ij - log_sum_i) slope_ij; a program: some classes, a part of D.

    own (count,) int32: each row's class in the chunk, whose G is 0, or -1. along (parts of D, classes): what a push
    has along its direction, by part. Nothing but these is written, each place by one program.
    """
    cut = tl.program_id(1)
    operand = unit.dtype.element_ty
    columns = tl.program_id(0) * CLASSES + tl.arange(0, CLASSES)
    dimensions = cut * WIDE + tl.arange(0, WIDE)
    if STEP >= D:
        w = _part(unit, columns, classes, dimensions, D)
    pushed = tl.zeros((CLASSES, WIDE), tl.float32)
    for tile in range(tl.cdiv(count, ROWS)):
        rows = tile * ROWS + tl.arange(0, ROWS)
        mine = tl.load(own + rows, mask=rows < count, other=-1)
        norm = tl.load(log_sum + rows, mask=rows < count, other=float("inf"))
        x = _part(batch, rows, count, dimensions, D)
        weights = tl.zeros((CLASSES, ROWS), operand)
        if tile * ROWS < count:
            if STEP >= D:
                cosine = tl.dot(w, tl.trans(x), input_precision="ieee")
            else:
                cosine = _products(unit, columns, classes, batch, rows, count, D, STEP)
            z, slope = MAP(cosine, scale, margin)
            share = tl.where(columns[:, None] != mine[None, :], tl.exp(z - norm[None, :]), 0.0)
            weights = ROUND(share * slope * lift).to(operand)
        else:
            # Never run. Mentioned here, the sum is finished before the next cosines begin; left in flight, it
            # makes the assembler run every product of the loop one by one (its remark C7515).
            pushed = tl.zeros((CLASSES, WIDE), tl.float32)
        pushed = tl.dot(weights, x, pushed, input_precision="ieee")
    pushed *= scale / lift
    there = columns < classes
    inside = there[:, None] & (dimensions < D)[None, :]
    tl.store(pushes + columns.to(tl.int64)[:, None] * D + dimensions[None, :], pushed, mask=inside)
    # sum_i G_ij s_ij is <push_j, unit_j>: one sum at the end in place of one in the loop, where registers are scarce.
    unit_again = _part(unit, columns, classes, dimensions, D).to(tl.float32)
    tl.store(along + cut.to(tl.int64) * classes + columns, tl.sum(pushed * unit_again, 1), mask=there)
