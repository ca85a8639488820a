"""Shuffled batches: every record at most once an epoch, shared by ranks, resumed anywhere."""

from __future__ import annotations

from itertools import chain, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.shuffle import ShuffledBatches


@st.composite
def sizes(draw: st.DrawFn) -> tuple[int, int, int]:
    """Records, batch and ranks that fit one another."""
    ranks = draw(st.integers(1, 4))
    batch = ranks * draw(st.integers(1, 5))
    return draw(st.integers(batch, 80)), batch, ranks


def epochs(batches: ShuffledBatches, count: int) -> list[list[int]]:
    return [batch.tolist() for _ in range(count) for batch in batches]


@given(sizes(), st.integers(0, 2**64 - 1))
def test_ranks_share_batches_that_hold_no_record_twice(size: tuple[int, int, int], seed: int) -> None:
    records, batch, ranks = size
    alone = epochs(ShuffledBatches(records, batch, seed=seed), 1)
    shared = [
        epochs(ShuffledBatches(records, batch, seed=seed, rank=rank, ranks=ranks), 1) for rank in range(ranks)
    ]
    assert [list(chain(*parts)) for parts in zip(*shared, strict=True)] == alone
    taken = list(chain(*alone))
    assert len(alone) == records // batch
    assert len(set(taken)) == len(taken) == records // batch * batch
    assert set(taken) <= set(range(records))


@given(sizes(), st.integers(0, 200), st.integers(1, 4))
def test_a_resumed_order_is_the_uninterrupted_one_on_any_number_of_ranks(
    size: tuple[int, int, int], stop: int, ranks: int
) -> None:
    records, batch, _ = size
    records, batch = records * ranks, batch * ranks
    whole = epochs(ShuffledBatches(records, batch), 3)
    first = ShuffledBatches(records, batch)
    stop %= len(whole)
    taken: list[list[int]] = []
    while len(taken) < stop:
        taken += [batch.tolist() for batch in islice(first, min(stop - len(taken), len(first)))]
    state = first.state_dict()
    parts = []
    for rank in range(ranks):
        resumed = ShuffledBatches(records, batch, rank=rank, ranks=ranks)
        resumed.load_state_dict(state)
        assert resumed.epoch == stop // len(first)
        parts.append(epochs(resumed, 3))
    rest = [list(chain(*batch)) for batch in zip(*parts, strict=True)]
    assert taken + rest[: len(whole) - stop] == whole


def test_epochs_and_seeds_differ_and_repeat() -> None:
    batches = ShuffledBatches(100, 10, seed=1)
    first, second = epochs(batches, 1), epochs(batches, 1)
    assert first != second
    assert epochs(ShuffledBatches(100, 10, seed=1), 2) == first + second
    assert epochs(ShuffledBatches(100, 10, seed=2), 1) != first


def test_an_epoch_can_be_begun_by_its_number() -> None:
    batches = ShuffledBatches(20, 5)
    whole = epochs(batches, 3)
    batches.set_epoch(1)
    assert epochs(batches, 2) == whole[4:]


def test_the_epoch_is_that_of_the_batch_that_comes_next() -> None:
    batches = ShuffledBatches(4, 2)
    seen = [batches.epoch]
    for _ in range(2):
        for _ in batches:
            seen.append(batches.epoch)
    assert seen == [0, 0, 1, 1, 2]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"records": 5, "batch": 6}, "a batch of 6 cannot be drawn from 5 records"),
        ({"records": 5, "batch": 0}, "a batch of 0 cannot be drawn"),
        ({"records": 9, "batch": 4, "ranks": 3}, "a batch of 4 cannot be shared equally by 3 ranks"),
        ({"records": 9, "batch": 4, "rank": 2, "ranks": 2}, r"rank 2 is outside 0\.\.1"),
    ],
)
def test_sizes_that_cannot_be_are_refused(arguments: dict[str, int], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        ShuffledBatches(**arguments)


@pytest.mark.parametrize(("name", "value"), [("records", 9), ("batch", 4), ("seed", 1)])
def test_a_state_of_other_batches_is_refused(name: str, value: int) -> None:
    state = ShuffledBatches(10, 5).state_dict()
    with pytest.raises(ValueError, match=f"of {name} = {value} and this one of"):
        ShuffledBatches(10, 5).load_state_dict(state | {name: value})


def test_a_state_beyond_the_epoch_is_refused() -> None:
    state = ShuffledBatches(10, 5).state_dict()
    with pytest.raises(ValueError, match=r"batch 3 of epoch 0 is outside 0\.\.2"):
        ShuffledBatches(10, 5).load_state_dict(state | {"taken": 3})
