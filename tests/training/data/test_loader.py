"""The loader: the same batches whatever the threads, no more ahead than allowed, and an end to everything."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from faces.face import Crop
from tests.training.data.crops import Drawn, folder, jpeg, picture
from training.data.augment import Augmentation, augmented, chance
from training.data.folder import ImageFolder
from training.data.loader import BatchLoader, LoadingFailed
from training.data.records import BadRecord
from training.data.sampler import IdentityBatches
from training.data.shards import Shards
from training.data.shuffle import ShuffledBatches

BESIDE = Path(os.environ.get("COCIRCLE_DATA") or Path(__file__).parents[3].parent / "shared")
DRAWN = Drawn([number // 3 for number in range(30)])
HEAVY = Augmentation(resolution=0.5, crop=0.5, photometric=0.5, occlusion=0.5)
STILL = Augmentation(flip=False)


def loader(records: Any = DRAWN, batch: int = 4, **options: Any) -> BatchLoader:
    return BatchLoader(
        records, ShuffledBatches(len(records), batch), options.pop("augmentation", HEAVY), **options
    )


def equal(one: list[tuple[Tensor, Tensor]], other: list[tuple[Tensor, Tensor]]) -> bool:
    return len(one) == len(other) and all(
        torch.equal(images, others) and torch.equal(labels, named)
        for (images, labels), (others, named) in zip(one, other, strict=True)
    )


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("decode")]


def test_batches_are_the_chosen_records_with_their_augmentation_and_labels() -> None:
    chosen = ShuffledBatches(30, 4)
    got = BatchLoader(DRAWN, ShuffledBatches(30, 4), HEAVY, seed=5)
    for epoch in range(2):
        for indices, (images, labels) in zip(chosen, got, strict=True):
            assert images.dtype == torch.uint8
            assert labels.dtype == torch.int64
            assert labels.tolist() == DRAWN.labels[indices].tolist()
            for image, index in zip(images.numpy(), indices.tolist(), strict=True):
                assert (image == augmented(picture(index), HEAVY, chance(5, epoch, index))).all()


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 6), st.integers(1, 5), st.integers(1, 30))
def test_neither_threads_nor_how_far_ahead_change_anything(count: int, ahead: int, batch: int) -> None:
    assert equal(list(loader(batch=batch, threads=1)), list(loader(batch=batch, threads=count, ahead=ahead)))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 20), st.integers(1, 4))
def test_a_run_resumed_anywhere_is_the_uninterrupted_one(stop: int, count: int) -> None:
    uninterrupted = loader()
    whole = [batch for _ in range(3) for batch in uninterrupted]
    first = loader(threads=count)
    taken: list[tuple[Tensor, Tensor]] = []
    while len(taken) < stop:
        taken += islice(first, stop - len(taken))
    resumed = loader(threads=2)
    resumed.load_state_dict(first.state_dict())
    rest = [batch for _ in range(3) for batch in resumed]
    assert equal(taken + rest[: len(whole) - stop], whole)


def test_the_state_counts_what_the_consumer_has_taken_and_not_what_is_decoded_ahead() -> None:
    running = loader(ahead=5)
    assert running.state_dict()["taken"] == 0
    for number, _ in enumerate(running, 1):
        assert running.state_dict()["taken"] == number


def test_batches_that_are_moved_by_hand_move_the_loader() -> None:
    batches = ShuffledBatches(30, 4)
    running = BatchLoader(DRAWN, batches, HEAVY)
    state = batches.state_dict() | {"epoch": 2, "taken": 3}
    batches.load_state_dict(state)
    assert running.state_dict() == state
    whole = [batch for uninterrupted in [loader()] for _ in range(3) for batch in uninterrupted]
    assert equal(list(running), whole[2 * len(batches) + 3 :])


def test_an_iteration_left_early_ends_its_threads_and_the_next_goes_on_after_it() -> None:
    whole = list(loader())
    running = loader(threads=3)
    taken = []
    for batch in running:
        taken.append(batch)
        assert threads()
        if len(taken) == 2:
            break
    assert not threads()
    taken += list(running)
    assert not threads()
    assert equal(taken, whole)


def test_batches_of_identities_go_on_after_the_last_that_was_taken() -> None:
    whole = list(BatchLoader(DRAWN, IdentityBatches(DRAWN.labels, 2, 3), HEAVY))
    assert [labels.tolist().count(int(labels[0])) for _, labels in whole] == [3] * 5
    running = BatchLoader(DRAWN, IdentityBatches(DRAWN.labels, 2, 3), HEAVY, threads=3)
    taken = list(islice(running, 2))
    resumed = BatchLoader(DRAWN, IdentityBatches(DRAWN.labels, 2, 3), HEAVY)
    resumed.load_state_dict(running.state_dict())
    assert equal(taken + list(running), whole)
    assert equal(taken + list(resumed), whole)


def test_closing_ends_the_threads_of_an_iteration_that_is_still_held() -> None:
    running = loader()
    with running:
        held = iter(running)
        next(held)
        assert threads()
    assert not threads()
    assert next(held, None) is None
    running.close()


def test_a_second_iteration_ends_the_first() -> None:
    running = loader()
    first = iter(running)
    one = next(first)
    second = iter(running)
    two = next(second)
    assert next(first, None) is None
    assert equal([one, two], list(islice(loader(), 2)))
    running.close()
    assert not threads()


def test_a_forgotten_loader_leaves_no_thread() -> None:
    held = iter(loader())
    next(held)
    del held
    gc.collect()
    assert not threads()


class Counted(ShuffledBatches):
    """Says how many batches were ever drawn."""

    drawn = 0

    def __iter__(self) -> Iterator[Any]:
        for indices in super().__iter__():
            self.drawn += 1
            yield indices


def test_no_more_batches_are_ahead_than_allowed() -> None:
    batches = Counted(30, 2)
    for number, _ in enumerate(BatchLoader(DRAWN, batches, ahead=3), 1):
        assert number <= batches.drawn <= number + 2


def test_a_consumer_that_fails_ends_the_threads() -> None:
    def fail() -> None:
        for _ in loader():
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    gc.collect()
    assert not threads()


def test_a_bad_record_reaches_the_consumer_with_its_name_and_can_be_passed() -> None:
    records = Drawn([0] * 12, bad=[5])
    running = loader(records, batch=3, augmentation=STILL)
    with pytest.raises(BadRecord, match="drawn-5 in memory: it is bad") as caught:
        list(running)
    assert caught.value.record == "drawn-5"
    del caught
    assert not threads()
    taken = running.state_dict()["taken"]
    with pytest.raises(BadRecord, match="drawn-5"):
        next(iter(running))
    assert running.state_dict()["taken"] == taken


class Failing(Drawn):
    """One record's disk fails."""

    def image(self, index: int) -> Crop:
        if index == 7:
            raise OSError(5, "Input/output error")
        return super().image(index)


@pytest.mark.parametrize("on_bad", ["raise", "skip"])
def test_an_error_that_is_not_the_records_is_never_skipped_and_names_it(on_bad: str) -> None:
    with pytest.raises(LoadingFailed, match=r"drawn-7 could not be read: \[Errno 5\] Input/output error"):
        list(loader(Failing([0] * 12), on_bad=on_bad))
    gc.collect()
    assert not threads()


@pytest.mark.parametrize("count", [1, 3])
def test_bad_records_are_replaced_by_others_of_their_identity_counted_and_named(count: int) -> None:
    labels = [0, 0, 0, 1, 1, 2]
    running = loader(
        Drawn(labels, bad=[1, 2, 3, 5]), batch=6, augmentation=STILL, on_bad="skip", threads=count
    )
    (order,) = ShuffledBatches(6, 6)
    instead = {1: 0, 2: 0, 3: 4, 5: 0}
    for images, named in running:
        for image, label, index in zip(images.numpy(), named.tolist(), order.tolist(), strict=True):
            assert (image == picture(instead.get(index, index))).all()
            assert label == labels[instead.get(index, index)]
    assert sorted(running.skipped) == [1, 2, 3, 5]
    assert str(running.skipped[3]) == "drawn-3 in memory: it is bad"


def test_a_replaced_record_is_the_same_in_every_epoch_and_on_every_rank() -> None:
    records = Drawn([number % 5 for number in range(20)], bad=[2, 7, 12, 4])
    alone = loader(records, batch=10, on_bad="skip")
    shared = [
        BatchLoader(records, ShuffledBatches(20, 10, rank=rank, ranks=2), HEAVY, on_bad="skip")
        for rank in range(2)
    ]
    for _ in range(2):
        for (images, labels), *parts in zip(alone, *shared, strict=True):
            assert torch.equal(images, torch.cat([part for part, _ in parts]))
            assert torch.equal(labels, torch.cat([part for _, part in parts]))


def test_records_that_are_all_bad_end_in_an_error() -> None:
    with pytest.raises(BadRecord, match="it is bad; nor could 100 others be read in its place"):
        list(loader(Drawn([0] * 8, bad=range(8)), on_bad="skip"))


def test_a_corrupt_file_among_real_ones_is_skipped(tmp_path: Path) -> None:
    files = {f"{number // 4}/{number}.jpg": jpeg(number) for number in range(12)}
    files["1/5.jpg"] = files["1/5.jpg"][:300]
    running = loader(ImageFolder(folder(tmp_path, files)), batch=12, on_bad="skip")
    ((images, labels),) = running
    assert images.shape == (12, 112, 112, 3)
    assert torch.bincount(labels).tolist() == [4, 4, 4]
    assert [error.record for error in running.skipped.values()] == ["1/5.jpg"]


def test_threads_and_batches_ahead_are_at_least_one() -> None:
    with pytest.raises(ValueError, match="they are 0 and 4"):
        loader(threads=0)
    with pytest.raises(ValueError, match="they are 2 and 0"):
        loader(ahead=0)


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.skipif(
    not (BESIDE / "data/celeba-faces").is_dir(), reason=f"no faces at {BESIDE}; set COCIRCLE_DATA"
)
def test_an_epoch_of_real_faces_is_decoded_in_flat_memory(tmp_path: Path) -> None:
    records = Shards(BESIDE / "data/celeba-faces", cache=tmp_path)
    pages, seen = [], 0
    for images, labels in loader(records, batch=256):
        seen += len(labels)
        assert images.shape == (256, 112, 112, 3)
        pages.append(int(Path("/proc/self/statm").read_text().split()[1]))
    assert seen == len(records) // 256 * 256
    # A quarter of what the epoch's pixels take would be 275 MB.
    assert (max(pages[10:]) - pages[10]) * os.sysconf("SC_PAGE_SIZE") < 40e6
