"""Which records make a batch when all are shuffled once an epoch; reads none.

A batch is drawn for all ranks together and each takes its part of it, so what is learned from one step depends
neither on the number of ranks nor on when a run was stopped and resumed.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.random import Generator, Philox
from numpy.typing import NDArray


class ShuffledBatches:
    """Batches of records 0..records-1 in an order drawn from (seed, epoch); a last, smaller batch is dropped.

    Iterating yields the rest of the epoch, iterating again the next one: int64 (batch / ranks,) each time, this
    rank's part. Memory: 8 bytes a record while an epoch lasts.
    """

    def __init__(self, records: int, batch: int, *, seed: int = 0, rank: int = 0, ranks: int = 1) -> None:
        """batch: records of a batch over all ranks; a multiple of ranks, at most `records`."""
        if not 0 <= rank < ranks:
            raise ValueError(f"rank {rank} is outside 0..{ranks - 1}")
        if not 1 <= batch <= records:
            raise ValueError(
                f"a batch of {batch} cannot be drawn from {records} records without repeating any"
            )
        if batch % ranks:
            raise ValueError(f"a batch of {batch} cannot be shared equally by {ranks} ranks; take a multiple")
        self._records, self._batch, self._seed = records, batch, seed
        self._rank, self._ranks = rank, ranks
        self._epoch, self._taken = 0, 0

    def __len__(self) -> int:
        """Batches an epoch."""
        return self._records // self._batch

    @property
    def epoch(self) -> int:
        """The epoch, from 0, of the batch that comes next."""
        return self._epoch + (self._taken == len(self))

    def __iter__(self) -> Iterator[NDArray[np.int64]]:
        if self._taken == len(self):
            self._epoch, self._taken = self._epoch + 1, 0
        order = self._order()
        share = self._batch // self._ranks
        while self._taken < len(self):
            start = self._taken * self._batch + self._rank * share
            self._taken += 1
            yield order[start : start + share]

    def set_epoch(self, epoch: int) -> None:
        """Begin an epoch. Not needed to go from one to the next."""
        self._epoch, self._taken = epoch, 0

    def state_dict(self) -> dict[str, int]:
        """Where the next batch comes from; the same on every rank."""
        return {
            "records": self._records,
            "batch": self._batch,
            "seed": self._seed,
            "epoch": self._epoch,
            "taken": self._taken,
        }

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on where `state` was taken, on any number of ranks. ValueError where its batches are others."""
        mine = self.state_dict()
        for name in ("records", "batch", "seed"):
            if state[name] != mine[name]:
                raise ValueError(
                    f"the saved order is of {name} = {state[name]} and this one of {mine[name]}: "
                    "an epoch cannot be continued; start at a whole epoch with new batches"
                )
        if not (state["epoch"] >= 0 and 0 <= state["taken"] <= len(self)):
            raise ValueError(f"batch {state['taken']} of epoch {state['epoch']} is outside 0..{len(self)}")
        self._epoch, self._taken = state["epoch"], state["taken"]

    def _order(self) -> NDArray[np.int64]:
        # Another counter than those of augment.chance, which uses the same key.
        generator = Generator(
            Philox(key=np.array([self._seed, self._epoch], np.uint64), counter=[0, 0, 0, 1])
        )
        order: NDArray[np.int64] = np.arange(self._records)
        generator.shuffle(order)
        return order
