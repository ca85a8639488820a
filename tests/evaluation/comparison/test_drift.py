"""How cosines and errors moved between two sets, against literal loops; what did not move is said not to have."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from evaluation.all_pairs.genuine import genuine_pairs
from evaluation.all_pairs.rates import false_match_rate
from evaluation.all_pairs.strongest import strongest_pairs
from evaluation.comparison.drift import Drift, PhotoSet, drift
from evaluation.comparison.drift_run import drift_sentences

THRESHOLDS = [(1e-1, 0.4), (1e-2, 0.6)]


def photos(
    people: range, most: int, noise: float, seed: int, common: float = 0.0
) -> tuple[NDArray[np.float64], list[str]]:
    """Noisy views of directions that belong to the people's numbers, drawn towards one direction by `common`."""
    rng = np.random.default_rng(seed)
    rows, names = [], []
    for person in people:
        middle = np.random.default_rng(person).normal(size=16) + common * np.ones(16)
        for _ in range(int(rng.integers(1, most + 1))):
            rows.append(middle + noise * rng.normal(size=16))
            names.append(f"{person:03d}")
    made = np.array(rows)
    return made / np.linalg.norm(made, axis=1, keepdims=True), names


def set_of(rows: NDArray[np.float64], names: list[str]) -> PhotoSet:
    return PhotoSet(rows, names, genuine_pairs(rows, names), strongest_pairs(rows, names, -1.0))


def found(first: PhotoSet, second: PhotoSet, resamples: int = 150) -> Drift:
    return drift(first, second, THRESHOLDS, resamples=resamples)


@given(st.integers(2, 9), st.integers(1, 4), st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_means_are_those_of_a_loop_over_all_pairs(people: int, most: int, seed: int) -> None:
    sets = [photos(range(people), most, 0.6, seed), photos(range(1, people + 2), most, 0.9, seed + 1)]
    moved = found(set_of(*sets[0]), set_of(*sets[1]), resamples=2)
    strangers, own = [], []
    for rows, names in sets:
        of_people: dict[tuple[str, str], list[float]] = {}
        for i in range(len(names)):
            for j in range(i + 1, len(names)):
                of_people.setdefault((names[i], names[j]), []).append(float(rows[i] @ rows[j]))
        strangers.append(np.mean([np.mean(of) for (a, b), of in of_people.items() if a != b]))
        own.append([np.mean(of) for (a, b), of in of_people.items() if a == b])
    assert (moved.impostor.before, moved.impostor.after) == pytest.approx(tuple(strangers))
    assert moved.impostor.change == pytest.approx(strangers[1] - strangers[0])
    if own[0] and own[1]:
        assert moved.genuine is not None
        assert moved.genuine.before == pytest.approx(np.mean(own[0]))
        assert moved.genuine.after == pytest.approx(np.mean(own[1]))
    else:
        assert moved.genuine is None
        assert moved.false_non_match == ()
    across = [
        np.mean([a @ b for a, n in zip(*sets[0], strict=True) if n == name
                 for b, m in zip(*sets[1], strict=True) if m == name])
        for name in sorted(set(sets[0][1]) & set(sets[1][1]))
    ]  # fmt: skip
    assert moved.shared == len(across) == people - 1
    assert moved.across is not None
    assert moved.across[0] == pytest.approx(np.mean(across))


def test_rates_are_counted_on_each_set_and_their_ratio_is_told() -> None:
    before, after = set_of(*photos(range(80), 3, 0.6, 1)), set_of(*photos(range(80), 3, 0.6, 2, common=0.7))
    moved = found(before, after)
    for shift, (fmr, cosine) in zip(moved.false_match, THRESHOLDS, strict=True):
        assert (shift.fmr, shift.cosine) == (fmr, cosine)
        assert shift.before.value == pytest.approx(false_match_rate(before.strongest, cosine))
        assert shift.after.value == pytest.approx(false_match_rate(after.strongest, cosine))
        assert shift.ratio == pytest.approx(shift.after.value / shift.before.value)
        assert 1 < shift.ratio_interval.low < shift.ratio < shift.ratio_interval.high
    for shift, (_, cosine) in zip(moved.false_non_match, THRESHOLDS, strict=True):
        assert shift.before.value == pytest.approx(before.genuine.false_non_match_rate(cosine))
        assert shift.after.value == pytest.approx(after.genuine.false_non_match_rate(cosine))
    assert moved.impostor.beyond_chance
    assert moved.impostor.change > 0.1


def test_new_photos_of_the_same_kind_have_not_moved_and_worse_ones_have() -> None:
    before = set_of(*photos(range(80), 4, 0.6, 1))
    alike = found(before, set_of(*photos(range(80), 4, 0.6, 2)))
    worse = found(before, set_of(*photos(range(80), 4, 1.0, 2)))
    assert alike.genuine is not None
    assert worse.genuine is not None
    assert not alike.genuine.beyond_chance
    assert worse.genuine.beyond_chance
    assert worse.genuine.interval.high < 0
    said = drift_sentences(worse)
    assert said[1].startswith(f"Cosines of one person's photos fell by {-worse.genuine.change:.4f} (")
    assert "have not moved by more than chance" in drift_sentences(alike)[1]
    assert said[2].startswith("The threshold for FMR 0.1 (0.4000) lets through ")


def test_a_draw_counts_each_person_in_both_sets_by_the_one_number_drawn() -> None:
    before, after = set_of(*photos(range(6), 4, 1.0, 1)), set_of(*photos(range(3, 9), 4, 1.0, 2))
    moved = found(before, after, resamples=1)
    drawn = np.bincount(np.random.default_rng(0).integers(0, 9, 9), minlength=9)
    for at, photo_set in ((drawn[:6], before), (drawn[3:], after)):
        assert np.count_nonzero(at) > 1
        for shift, rejected in zip(moved.false_match, moved.false_non_match, strict=True):
            rate = shift.before if photo_set is before else shift.after
            if 0 < rate.value < 1:
                assert rate.interval.low == pytest.approx(
                    false_match_rate(photo_set.strongest, shift.cosine, at)
                )
            rate = rejected.before if photo_set is before else rejected.after
            if 0 < rate.value < 1:
                expected = photo_set.genuine.false_non_match_rate(shift.cosine, at)
                assert rate.interval.low == pytest.approx(expected)
    assert 0 < moved.false_match[0].after.value < 1
    assert 0 < moved.false_non_match[1].after.value < 1


def test_a_set_against_itself_moves_by_nothing_in_every_draw() -> None:
    same = set_of(*photos(range(20), 3, 0.6, 1))
    moved = found(same, same, resamples=30)
    assert (moved.impostor.change, moved.impostor.interval.low, moved.impostor.interval.high) == (0, 0, 0)
    assert not moved.impostor.beyond_chance
    for shift in (*moved.false_match, *moved.false_non_match):
        if np.isfinite(shift.ratio):
            assert (shift.ratio_interval.low, shift.ratio_interval.high) == (1, 1)


def test_what_people_have_in_common_falls_out_where_both_sets_show_the_same_people() -> None:
    def width(first: range, second: range) -> float:
        moved = found(set_of(*photos(first, 4, 0.3, 1)), set_of(*photos(second, 4, 0.3, 2)))
        return moved.impostor.interval.high - moved.impostor.interval.low

    assert width(range(40), range(40)) < 0.5 * width(range(40), range(40, 80))


def test_other_people_share_nothing_and_a_set_of_single_photos_says_nothing_of_genuine_pairs() -> None:
    moved = found(set_of(*photos(range(10), 2, 0.6, 1)), set_of(*photos(range(20, 30), 1, 0.6, 1)), 20)
    assert (moved.shared, moved.across, moved.genuine, moved.false_non_match) == (0, None, None, ())
    assert "nothing can be said of genuine pairs" in drift_sentences(moved)[1]


def test_equal_rows_have_a_cosine_of_one_and_rates_of_one() -> None:
    rows, names = np.tile([[0.6, 0.8]], (6, 1)), list("aabbcc")
    moved = found(set_of(rows, names), set_of(rows, names), resamples=10)
    assert moved.impostor.before == pytest.approx(1)
    assert moved.genuine is not None
    assert moved.genuine.after == pytest.approx(1)
    assert [shift.before.value for shift in moved.false_match] == [1, 1]
    assert [shift.before.value for shift in moved.false_non_match] == [0, 0]
    assert np.isnan(moved.false_non_match[0].ratio)


def test_one_person_and_rows_that_are_no_numbers_are_refused() -> None:
    good = set_of(*photos(range(4), 2, 0.6, 1))
    alone = PhotoSet(np.eye(2), ["a", "a"], good.genuine, good.strongest)
    with pytest.raises(ValueError, match="at least two people; one has 1"):
        found(good, alone)
    broken = PhotoSet(np.full((2, 16), np.nan), ["a", "b"], good.genuine, good.strongest)
    with pytest.raises(ValueError, match="row 0 is not finite"):
        found(broken, good)
