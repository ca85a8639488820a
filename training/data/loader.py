"""Records -> batches of images and labels, decoded ahead of the consumer by threads; chooses no records.

The codecs release the interpreter's lock, so threads are enough and share one copy of the index. Images leave as
uint8: normalising them is a matter of the device that takes them.
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faces.align import CROP
from faces.face import Crop
from training.data.augment import Augmentation, augmented, chance
from training.data.records import BadRecord, FaceRecords

_FEWEST = 16
"""Images of a batch that are worth a thread's turn."""

_TRIES = 100
FLIP_ONLY = Augmentation()


class Batches(Protocol):
    """Chooses the records of every batch and knows where it stands.

    Iterating yields the rest of the epoch, record indices (b,). After each, state_dict() is the state from
    which the next one follows; it may be kept and loaded later.
    """

    @property
    def epoch(self) -> int:
        """The epoch, from 0, of the batch that comes next."""
        ...

    def __iter__(self) -> Iterator[NDArray[np.int64] | Sequence[int]]: ...

    def state_dict(self) -> dict[str, Any]: ...

    def load_state_dict(self, state: dict[str, Any], /) -> None: ...


class LoadingFailed(RuntimeError):
    """A record could not be read for a reason that is not the record's; the message names it."""


@dataclass(frozen=True)
class _Begun:
    """A batch in the making. state: of the batches after this one."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    parts: list[Future[None]]
    state: dict[str, Any]

    def finished(self) -> tuple[Tensor, Tensor]:
        for part in self.parts:
            part.result()
        return torch.from_numpy(self.images), torch.from_numpy(self.labels)


class BatchLoader:
    """Iterate it for the rest of the current epoch: (images (b, 112, 112, 3) uint8 BGR, labels (b,) int64).

    The order and every pixel follow from the records, the batches and the seed alone, not from the number of
    threads. Leaving an iteration early ends its threads, and the next begins with the first batch that was not taken.
    skipped: by on_bad="skip", the records that were replaced and what is wrong with each.
    """

    def __init__(
        self,
        records: FaceRecords,
        batches: Batches,
        augmentation: Augmentation = FLIP_ONLY,
        *,
        seed: int = 0,
        threads: int = 2,
        on_bad: Literal["raise", "skip"] = "raise",
        ahead: int = 4,
    ) -> None:
        """threads: that decode, beside the consumer's. ahead: batches in memory besides the consumer's, at most.

        on_bad: what to do about a BadRecord: raise it, or take another record of the same identity, or where
        there is none the next ones, the same on every rank and in every run. An error of another kind, as of a
        disk, is LoadingFailed either way.
        """
        if threads < 1 or ahead < 1:
            raise ValueError(f"threads and ahead are at least 1; they are {threads} and {ahead}")
        self._records, self._batches, self._augmentation = records, batches, augmentation
        self._seed, self._threads, self._on_bad, self._ahead = seed, threads, on_bad, ahead
        self._state: dict[str, Any] | None = None
        self._running: weakref.ref[Iterator[Any]] | None = None
        self._instead: dict[int, int] = {}
        self.skipped: dict[int, BadRecord] = {}

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        self.close()
        running = self._run()
        self._running = weakref.ref(running)
        return running

    def __enter__(self) -> BatchLoader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the iteration that is under way, if any, and its threads. The next goes on from there."""
        running = self._running() if self._running is not None else None
        if running is not None:
            running.close()  # type: ignore[attr-defined]

    def state_dict(self) -> dict[str, Any]:
        """The state of the batches after those that the consumer has taken, whatever was decoded ahead."""
        return self._state if self._state is not None else self._batches.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on after the batches that had been taken when `state` was."""
        self.close()
        self._batches.load_state_dict(state)

    def _run(self) -> Iterator[tuple[Tensor, Tensor]]:
        epoch = self._batches.epoch
        waiting: deque[_Begun] = deque()
        begun = taken = 0
        self._state = self._batches.state_dict()
        pool = ThreadPoolExecutor(self._threads, thread_name_prefix="decode")
        try:
            chosen = iter(self._batches)
            while True:
                while len(waiting) < self._ahead and (indices := next(chosen, None)) is not None:
                    waiting.append(self._begin(pool, np.asarray(indices, np.int64), epoch))
                    begun += 1
                if not waiting:
                    return
                batch = waiting.popleft()
                images, labels = batch.finished()
                self._state = batch.state
                taken += 1
                yield images, labels
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            if taken < begun:
                self._batches.load_state_dict(self._state)
            self._state = None

    def _begin(self, pool: ThreadPoolExecutor, indices: NDArray[np.int64], epoch: int) -> _Begun:
        count = len(indices)
        images = np.empty((count, CROP, CROP, 3), np.uint8)
        labels = np.empty(count, np.int64)
        step = max(_FEWEST, -(-count // self._threads))
        parts = [
            pool.submit(
                self._fill, images[at : at + step], labels[at : at + step], indices[at : at + step], epoch
            )
            for at in range(0, count, step)
        ]
        return _Begun(images, labels, parts, self._batches.state_dict())

    def _fill(
        self, images: NDArray[np.uint8], labels: NDArray[np.int64], indices: NDArray[np.int64], epoch: int
    ) -> None:
        for row, index in enumerate(indices.tolist()):
            image, used = self._read(index)
            if not self._augmentation.none:
                image = augmented(image, self._augmentation, chance(self._seed, epoch, index))
            images[row] = image
            labels[row] = self._records.labels[used]

    def _read(self, index: int) -> tuple[Crop, int]:
        """A record's image, or another's in its place, and whose it is."""
        index = self._instead.get(index, index)
        try:
            return self._records.image(index), index
        except BadRecord as error:
            if self._on_bad == "raise":
                raise
            return self._replaced(index, error)
        except Exception as error:
            raise LoadingFailed(f"{self._named(index)} could not be read: {error}") from error

    def _replaced(self, index: int, error: BadRecord) -> tuple[Crop, int]:
        self.skipped[index] = error
        for other in self._others(index):
            try:
                image = self._records.image(other)
            except BadRecord as also:
                self.skipped[other] = also
                continue
            self._instead[index] = other
            return image, other
        raise BadRecord(
            error.source, error.record, f"{error.reason}; nor could {_TRIES} others be read in its place"
        ) from error

    def _others(self, index: int) -> list[int]:
        """What may stand in for a record, best first, at most _TRIES."""
        labels = self._records.labels
        same = np.flatnonzero(labels == labels[index])
        after = np.concatenate([same[same > index], same[same < index]])
        next_ones = (index + 1 + np.arange(_TRIES)) % len(self._records)
        return [other for other in np.concatenate([after, next_ones]).tolist() if other != index][:_TRIES]

    def _named(self, index: int) -> str:
        try:
            return self._records.name(index)
        except Exception:
            return f"record {index}"
