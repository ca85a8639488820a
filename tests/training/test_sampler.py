"""Batches by identity: who is in them, in which order, on any ranks, and after a stop."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.data.sampler import IdentityBatches

LABELS = np.repeat([3, 10, 11, 40, 41, 42, 900], [1, 2, 3, 4, 5, 9, 6])


@given(
    counts=st.lists(st.integers(1, 7), min_size=4, max_size=20),
    identities=st.sampled_from([1, 2, 4]),
    images=st.integers(1, 5),
    seed=st.integers(0, 1000),
)
def test_every_identity_comes_once_an_epoch_with_as_different_images_as_it_has(
    counts: list[int], identities: int, images: int, seed: int
) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)) * 7, counts))
    batches = IdentityBatches(labels, identities, images, seed=seed)
    seen: Counter[int] = Counter()
    for batch in batches:
        groups = np.array(batch).reshape(identities, images)
        for group in groups:
            (identity,) = set(labels[group].tolist())
            seen[identity] += 1
            have = counts[identity // 7]
            times = Counter(group.tolist())
            assert len(times) == min(images, have)
            assert max(times.values()) - min(times.values()) <= 1
    assert set(seen.values()) == {1}
    assert len(seen) == len(counts) // identities * identities


@pytest.mark.parametrize("ranks", [2, 4])
def test_the_ranks_parts_together_are_the_batch_of_one(ranks: int) -> None:
    whole = list(IdentityBatches(LABELS, 4, 3, seed=2))
    parts = [list(IdentityBatches(LABELS, 4, 3, seed=2, rank=rank, ranks=ranks)) for rank in range(ranks)]
    assert [list(chain.from_iterable(several)) for several in zip(*parts, strict=True)] == whole


def test_a_stopped_epoch_goes_on_where_it_was_also_on_other_ranks() -> None:
    whole = IdentityBatches(LABELS, 2, 3, seed=5)
    whole.set_epoch(4)
    all_of_it = list(whole)
    begun = IdentityBatches(LABELS, 2, 3, seed=5)
    begun.set_epoch(4)
    steps = iter(begun)
    assert [next(steps)] == all_of_it[:1]
    state = begun.state_dict()
    parts = []
    for rank in range(2):
        resumed = IdentityBatches(LABELS, 2, 3, seed=5, rank=rank, ranks=2)
        resumed.load_state_dict(state)
        parts.append(list(resumed))
    assert [left + right for left, right in zip(*parts, strict=True)] == all_of_it[1:]


def test_iterating_again_is_the_next_epoch() -> None:
    batches = IdentityBatches(LABELS, 2, 3, seed=5)
    epochs = []
    for epoch in range(3):
        assert batches.epoch == epoch
        epochs.append(list(batches))
    for epoch, whole in enumerate(epochs):
        again = IdentityBatches(LABELS, 2, 3, seed=5)
        again.set_epoch(epoch)
        assert list(again) == whole
        assert len(whole) == len(again)


def test_a_resumed_epoch_goes_on_when_it_is_set_again_and_another_begins() -> None:
    begun = IdentityBatches(LABELS, 2, 3, seed=5)
    whole = list(IdentityBatches(LABELS, 2, 3, seed=5))
    assert next(iter(begun)) == whole[0]
    resumed = IdentityBatches(LABELS, 2, 3, seed=5)
    resumed.load_state_dict(begun.state_dict())
    resumed.set_epoch(0)
    assert list(resumed) == whole[1:]
    resumed.set_epoch(0)
    assert list(resumed) == whole


def test_the_state_after_an_epochs_last_batch_begins_the_next() -> None:
    done = IdentityBatches(LABELS, 2, 3, seed=5)
    list(done)
    resumed = IdentityBatches(LABELS, 2, 3, seed=5)
    resumed.load_state_dict(done.state_dict())
    assert resumed.epoch == 1
    assert list(resumed) == list(done)


@pytest.mark.parametrize("place", [{"batch": 4}, {"batch": -1}, {"epoch": -1}])
def test_a_place_outside_the_epoch_is_refused(place: dict[str, int]) -> None:
    batches = IdentityBatches(LABELS, 2, 3, seed=5)
    with pytest.raises(ValueError, match=r"is outside 0\.\.3"):
        batches.load_state_dict(batches.state_dict() | place)


def test_epochs_and_seeds_draw_differently() -> None:
    batches = IdentityBatches(LABELS, 7, 2, seed=1)
    first = list(batches)
    batches.set_epoch(1)
    assert list(batches) != first
    assert list(IdentityBatches(LABELS, 7, 2, seed=2)) != first
    assert list(IdentityBatches(LABELS, 7, 2, seed=1)) == first


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((LABELS, 3, 2, {"ranks": 2}), "P = 3 identities cannot be divided evenly among 2 ranks"),
        ((LABELS, 8, 2, {}), "P = 8 identities a batch, but there are only 7"),
        ((LABELS, 0, 2, {}), "P = 0, K = 2"),
        ((LABELS.astype(float), 2, 2, {}), r"labels are \(N,\) whole numbers; they are \(30,\) float64"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, says: str) -> None:
    *rest, options = arguments
    with pytest.raises(ValueError, match=says):
        IdentityBatches(*rest, **options)


def test_a_state_of_other_batches_is_refused() -> None:
    state = IdentityBatches(LABELS, 2, 3, seed=5).state_dict()
    with pytest.raises(ValueError, match="saved with images_per_identity 3; here it is 4"):
        IdentityBatches(LABELS, 2, 4, seed=5).load_state_dict(state)


MANY = """
import resource, numpy as np
from training.data.sampler import IdentityBatches
labels = np.arange(6_000_000) // 3
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
batches = IdentityBatches(labels, 64, 4)
next(iter(batches))
print(len(batches), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_two_million_identities_take_no_object_each() -> None:
    done = subprocess.run([sys.executable, "-c", MANY], capture_output=True, text=True, check=True)
    batches, mib = map(int, done.stdout.split())
    assert batches == 31_250
    assert mib < 400, "a Python object an identity alone would take more"
