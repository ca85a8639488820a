"""Batches of P identities with K images each, for pair losses; reads no image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ids = NDArray[np.int64]


class IdentityBatches:
    """Batches of record numbers, P identities x K images over all ranks, this rank's part of each.

    An epoch visits every identity that has an image once, in an order of (seed, epoch) alone; a last batch of fewer
    than P is dropped, its identities standing elsewhere in the next epoch. An identity with K images or more gives K
    different ones, drawn anew each time; with fewer it gives each of them, and some again. The union over ranks does
    not depend on their number. Iterating yields the rest of the current epoch, then of the next, and so on. It is a
    batch_sampler of torch's DataLoader, whose workers fetch ahead: then state_dict is ahead of what was consumed, too.
    Memory: a whole number a record, two an identity, and one more an identity while iterating.
    """

    def __init__(
        self,
        labels: ArrayLike,
        identities: int,
        images: int,
        *,
        seed: int = 0,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        """labels: (N,) whole numbers, at least 0. identities: P, divided by ranks. images: K.

        ValueError where P and the ranks, or the identities there are, do not fit.
        """
        labels = np.asarray(labels)
        if labels.ndim != 1 or labels.dtype.kind not in "iu":
            raise ValueError(f"labels are (N,) whole numbers; they are {labels.shape} {labels.dtype}")
        if identities < 1 or images < 1:
            raise ValueError(f"a batch has at least one identity and image; P = {identities}, K = {images}")
        if identities % ranks or not 0 <= rank < ranks:
            raise ValueError(
                f"P = {identities} identities cannot be divided evenly among {ranks} ranks, rank {rank}"
            )
        self._records: Ids = np.argsort(labels, kind="stable").astype(np.int64, copy=False)
        _, starts, counts = np.unique(labels[self._records], return_index=True, return_counts=True)
        self._starts, self._counts = starts.astype(np.int64), counts.astype(np.int64)
        if len(self._starts) < identities:
            raise ValueError(f"P = {identities} identities a batch, but there are only {len(self._starts)}")
        self.identities, self.images, self.seed = identities, images, seed
        self._rank, self._ranks = rank, ranks
        self._epoch, self._batch = 0, 0

    def __len__(self) -> int:
        """Batches of a whole epoch."""
        return len(self._starts) // self.identities

    @property
    def epoch(self) -> int:
        """The epoch, from 0, of the batch that comes next."""
        return self._epoch + (self._batch == len(self))

    def __iter__(self) -> Iterator[list[int]]:
        """The rest of the epoch: lists of P / ranks * K record numbers, an identity's images side by side."""
        if self._batch == len(self):
            self._epoch, self._batch = self._epoch + 1, 0
        order = np.random.default_rng([self.seed, self._epoch]).permutation(len(self._starts))
        each = self.identities // self._ranks
        while self._batch < len(self):
            first = self._batch * self.identities + self._rank * each
            chosen = order[first : first + each]
            drawn = [self._images(int(identity)) for identity in chosen]
            self._batch += 1
            yield np.concatenate(drawn).tolist()

    def set_epoch(self, epoch: int) -> None:
        """The next batch is the first of this epoch; where the epoch is the current one already, it goes on."""
        if epoch < 0:
            raise ValueError(f"an epoch is at least 0; it is {epoch}")
        if epoch != self.epoch:
            self._epoch, self._batch = epoch, 0

    def state_dict(self) -> dict[str, Any]:
        """Where it stands: the epoch and its next batch, and what both are counted in."""
        return {"epoch": self._epoch, "batch": self._batch, **self._setting()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there. ValueError where P, K, the seed or the identities differ; the ranks may."""
        for name, value in self._setting().items():
            if state[name] != value:
                raise ValueError(f"the batches were saved with {name} {state[name]}; here it is {value}")
        if not (state["epoch"] >= 0 and 0 <= state["batch"] <= len(self)):
            raise ValueError(f"batch {state['batch']} of epoch {state['epoch']} is outside 0..{len(self)}")
        self._epoch, self._batch = int(state["epoch"]), int(state["batch"])

    def _setting(self) -> dict[str, int]:
        return {
            "identities_per_batch": self.identities,
            "images_per_identity": self.images,
            "seed": self.seed,
            "identities": len(self._starts),
        }

    def _images(self, identity: int) -> Ids:
        count = int(self._counts[identity])
        draw = np.random.default_rng([self.seed, self._epoch, identity])
        whole, rest = divmod(self.images, count)
        picks = [np.arange(count)] * whole + [draw.permutation(count)[:rest]]
        chosen: Ids = self._records[self._starts[identity] + draw.permutation(np.concatenate(picks))]
        return chosen
