"""New identities for a head that is already trained: rows move to where the larger layout wants them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim import Optimizer

from training.head.checkpoint import row_states
from training.head.initial import fill_rows
from training.head.layout import Share, shares
from training.head.pass_two_sgd import PassTwoSGD
from training.head.sharded import ShardedClassifier
from training.ranks import Ranks


@torch.no_grad()
def append_identities(head: ShardedClassifier, optimizer: Optimizer | None, count: int) -> range:
    """Give the head `count` more classes and return their global ids. Collective over the head's ranks.

    Old rows and their optimizer's state keep their values and ids; new rows get the first values of their id and
    zero state. The parameter stays the same object. For a moment a rank holds its old and its new rows.
    """
    if count < 1:
        raise ValueError(f"at least one identity can be appended; {count} were asked for")
    if isinstance(optimizer, PassTwoSGD) and optimizer.recorded:
        raise RuntimeError(
            f"{optimizer.recorded} recorded batches wait for a step; take it, then append identities"
        )
    first, ranks = head.classes, head.ranks
    before, after = shares(first, ranks.size), shares(first + count, ranks.size)
    own = after[ranks.rank]
    states = row_states(head, optimizer)
    rows = moved(head.weight.detach(), before, after, ranks)
    fresh = own.overlap(Share(first, first + count))
    fill_rows(rows[fresh.within(own)], fresh.start, head.seed)
    grown = {name: moved(state, before, after, ranks) for name, state in states.items()}
    head.classes, head.share = first + count, own
    head.weight.grad = None
    head.weight.data = rows
    if optimizer is not None and states:
        optimizer.state[head.weight].update(grown)
    return range(first, first + count)


def moved(rows: Tensor, before: list[Share], after: list[Share], ranks: Ranks) -> Tensor:
    """This rank's rows (C_r, D) under another layout; zero where no rank held them before. Collective."""
    here, there = before[ranks.rank], after[ranks.rank]
    result = rows.new_zeros((there.rows, *rows.shape[1:]))
    outgoing = [rows[here.overlap(other).within(here)] for other in after]
    incoming = [result[there.overlap(other).within(there)] for other in before]
    ranks.exchange(outgoing, incoming, "rows of the head")
    return result
