"""The processes that share one head or one batch: their exchanges, counted in bytes, and who failed when one does.

Layout: every rank brings the same number of rows; a gathered batch holds rank 0's rows first, then rank
1's, and so on. Without torch.distributed there is one rank and nothing is sent.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.distributed_c10d import _get_default_store

_serials: dict[tuple[int, ...], Iterator[int]] = defaultdict(itertools.count)

GRACE = 5.0
"""Seconds beyond the patience, but never more than it again, in which the living find out who is not."""


class RankFailed(RuntimeError):
    """A rank died, hangs or does something else; the message names it. The group is of no use any more."""

    def __init__(self, message: str, missing: Sequence[int]) -> None:
        super().__init__(message)
        self.missing = tuple(missing)

    def __reduce__(self) -> tuple[type[RankFailed], tuple[str, tuple[int, ...]]]:
        return RankFailed, (str(self), self.missing)


class Ranks:
    """One process's view of the group. Every method but the properties is collective: all ranks call it.

    rank: 0..size-1. size: how many share the work. sent: bytes this rank has handed to collectives for the
    others, by the smallest volume each needs: a gather (size - 1) times its rows, a sum of shares (size - 1) /
    size times its input.
    """

    def __init__(
        self,
        group: dist.ProcessGroup | None = None,
        *,
        patience: timedelta = timedelta(minutes=5),
        alone: bool = False,
    ) -> None:
        """group: who takes part; None: all of torch.distributed, or this process alone where it is not up.

        patience: how long a collective may take before it counts as failed, for the group that is then made
        over all processes; a group that is given keeps its own timeout. A rank that fails raises within that
        and GRACE on every other (with NCCL only where the failure is noticed between two steps, since NCCL
        itself ends a process that waits too long). alone: this process by itself, whatever torch.distributed is
        doing. Collective over the group.
        """
        self.sent = 0
        self._failed: RankFailed | None = None
        self._group: dist.ProcessGroup | None = None
        self._words: dist.ProcessGroup | None = None
        self.rank, self.size, self.patience = 0, 1, patience
        if alone:
            return
        if not dist.is_initialized():
            if group is not None:
                raise ValueError("a group was given, but torch.distributed is not initialised")
            return
        members = dist.get_process_group_ranks(group if group is not None else dist.group.WORLD)
        self.rank, self.size = members.index(dist.get_rank()), len(members)
        if self.size == 1:
            return
        self._group = self._words = group if group is not None else dist.new_group(timeout=patience)
        backend = dist.get_backend(self._group)
        device = torch.device("cuda" if backend == "nccl" else "cpu")
        self.patience = self._group._get_backend(device).options._timeout
        if backend != "gloo":
            self._words = dist.new_group(
                members, self.patience, "gloo", use_local_synchronization=group is not None
            )
        # Heads are made in the same order on all of their ranks, so this names the same head on each.
        self._roll = f"cocircle/{'-'.join(map(str, members))}/{next(_serials[tuple(members)])}"

    @property
    def group(self) -> dist.ProcessGroup | None:
        """The group the tensors travel in; None with one rank."""
        return self._group

    def gather(self, rows: Tensor, what: str = "rows") -> Tensor:
        """(b, ...) of each rank -> (size * b, ...), rank 0's first. `what` names it in an error."""
        if self.size == 1:
            return rows
        rows = rows.detach().contiguous()
        whole = rows.new_empty((self.size * rows.shape[0], *rows.shape[1:]))
        self.sent += (self.size - 1) * rows.nbytes
        with self._named(f"the gathering of {what}"):
            dist.all_gather_single(whole, rows, group=self._group)
        return whole

    def sum_shares(self, rows: Tensor, what: str = "rows") -> Tensor:
        """(size * b, ...) of each rank -> this rank's (b, ...) of their sum (reduce-scatter)."""
        if self.size == 1:
            return rows
        rows = rows.detach().contiguous()
        share = rows.new_empty((rows.shape[0] // self.size, *rows.shape[1:]))
        self.sent += (self.size - 1) * share.nbytes
        with self._named(f"the summing of {what}"):
            dist.reduce_scatter_single(share, rows, group=self._group)
        return share

    def sum(self, values: Tensor, what: str = "values") -> Tensor:
        """The sum over ranks of a small tensor, on every rank (all-reduce); the argument stays as it is."""
        if self.size == 1:
            return values
        total = values.detach().clone()
        self.sent += 2 * (self.size - 1) * total.nbytes // self.size
        with self._named(f"the summing of {what}"):
            dist.all_reduce(total, group=self._group)
        return total

    def exchange(self, outgoing: Sequence[Tensor], incoming: Sequence[Tensor], what: str = "rows") -> None:
        """outgoing[r] (n, ...) goes to rank r, incoming[r] is filled with what rank r sends here; n may be 0."""
        self.sent += sum(part.nbytes for rank, part in enumerate(outgoing) if rank != self.rank)
        incoming[self.rank].copy_(outgoing[self.rank])
        if self.size == 1:
            return
        with self._named(f"the exchange of {what}"):
            work = [
                begun
                for rank in range(self.size)
                if rank != self.rank
                for begun in self._between(rank, outgoing[rank].contiguous(), incoming[rank])
            ]
            for begun in work:
                begun.wait()

    def words(self, *values: int, what: str = "words") -> list[tuple[int, ...]]:
        """What every rank says, in order of rank: a few whole numbers, never by way of a GPU."""
        if self.size == 1:
            return [values]
        mine = torch.tensor(values, dtype=torch.int64)
        every = torch.empty(self.size * len(values), dtype=torch.int64)
        self.sent += (self.size - 1) * mine.nbytes
        with self._named(what):
            dist.all_gather_single(every, mine, group=self._words)
        return [tuple(row) for row in every.view(self.size, -1).tolist()]

    def objects(self, value: object, what: str = "settings") -> list[Any]:
        """What every rank says as JSON-like objects; for set-up, not for steps."""
        if self.size == 1:
            return [value]
        every: list[Any] = [None] * self.size
        with self._named(f"the comparison of {what}"):
            dist.all_gather_object(every, value, group=self._words)
        return every

    def _between(self, rank: int, outgoing: Tensor, incoming: Tensor) -> list[dist.Work]:
        """Starts one pair's exchange. Both sides skip what is empty: the sizes are known to both."""
        begun: list[dist.Work | None] = []
        if incoming.numel():
            begun.append(dist.irecv(incoming, group=self._group, group_src=rank))
        if outgoing.numel():
            begun.append(dist.isend(outgoing, group=self._group, group_dst=rank))
        return [work for work in begun if work is not None]

    @contextmanager
    def _named(self, what: str) -> Iterator[None]:
        if self._failed is not None:
            raise self._failed
        began = monotonic()
        try:
            yield
        except RuntimeError as error:  # gloo and NCCL raise nothing more precise
            self._failed = self._roll_call(what, began, error)
            raise self._failed from error

    def _roll_call(self, what: str, began: float, error: RuntimeError) -> RankFailed:
        """Says that this rank lives, and waits for the others to say so until all of them must have failed."""
        patience = self.patience.total_seconds()
        until = began + patience + min(GRACE, patience)
        missing = []
        try:
            store = _get_default_store()
            store.set(f"{self._roll}/{self.rank}", "alive")
            for rank in range(self.size):
                if not _said(store.wait, f"{self._roll}/{rank}", until):
                    missing.append(rank)
        except (RuntimeError, ValueError):
            return RankFailed(
                f"{what} failed, and the process that keeps the group's store, usually rank 0, is gone ({error})",
                [0],
            )
        who = " and ".join(f"rank {rank}" for rank in missing) or "no rank"
        return RankFailed(
            f"{who} of {self.size} did not take part in {what} within {patience:g} s: it died, "
            f"hangs, or is at another step. Restart every rank from the last checkpoint ({error})",
            missing,
        )


def _said(wait: Callable[[list[str], timedelta], None], key: str, until: float) -> bool:
    try:
        wait([key], timedelta(seconds=max(0.01, until - monotonic())))
    except dist.DistStoreError:
        return False
    except RuntimeError as error:
        if "timeout" in str(error).lower():
            return False
        raise
    return True


class _Gathered(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, ranks: Ranks) -> Tensor:
        ctx.ranks = ranks
        return ranks.gather(rows, "embeddings").view(-1, *rows.shape[1:])

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.ranks.sum_shares(gradient, "gradients of embeddings"), None


def gather_with_gradient(rows: Tensor, ranks: Ranks) -> Tensor:
    """(b, D) of each rank -> (size * b, D) on all; the gradient of a rank's rows is the sum over all ranks.

    One all-gather forward, one reduce-scatter backward, which every rank must therefore run.
    """
    whole: Tensor = _Gathered.apply(rows, ranks)  # type: ignore[no-untyped-call]
    return whole
