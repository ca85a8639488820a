"""Genuine pairs a vote a person, and both error rates with intervals over people, against literal counting."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from evaluation.all_pairs.genuine import genuine_pairs
from evaluation.all_pairs.rates import Rate, false_match_rate, false_match_rates, false_non_match_rates
from evaluation.all_pairs.strongest import strongest_pairs


def people_on_a_sphere(
    people: int, most: int, dimension: int, seed: int
) -> tuple[NDArray[np.float32], list[str]]:
    """One to `most` noisy views each of random directions."""
    rng = np.random.default_rng(seed)
    photos = rng.integers(1, most + 1, people)
    rows = np.repeat(rng.normal(size=(people, dimension)), photos, axis=0)
    rows += 0.5 * rng.normal(size=rows.shape)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    names = [f"person {n:03d}" for n in np.repeat(np.arange(people), photos)]
    return rows.astype(np.float32), names


@given(st.integers(2, 12), st.integers(1, 5), st.floats(-0.9, 1), st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_rates_are_what_a_double_loop_counts(people: int, most: int, cosine: float, seed: int) -> None:
    rows, names = people_on_a_sphere(people, most, 4, seed)
    strangers: dict[tuple[str, str], list[bool]] = {}
    own: dict[str, list[bool]] = {}
    for i in range(len(rows)):
        for j in range(i + 1, len(rows)):
            passes = bool(np.float32(rows[i] @ rows[j]) >= cosine)
            if names[i] == names[j]:
                own.setdefault(names[i], []).append(not passes)
            else:
                strangers.setdefault((names[i], names[j]), []).append(passes)
    kept = strongest_pairs(rows, names, -1)
    expected = np.mean([np.mean(of) for of in strangers.values()])
    assert false_match_rate(kept, cosine) == pytest.approx(expected, abs=1e-9)
    genuine = genuine_pairs(rows, names)
    assert genuine.compared().tolist() == [name in own for name in sorted(set(names))]
    if own:
        rate = genuine.false_non_match_rate(cosine)
        assert rate == pytest.approx(np.mean([np.mean(of) for of in own.values()]), abs=1e-9)
    else:
        assert np.isnan(genuine.false_non_match_rate(cosine))
        with pytest.raises(ValueError, match="at least one person with two photos"):
            false_non_match_rates(genuine, [cosine])


def test_a_draw_is_the_same_as_a_set_in_which_people_stand_that_often() -> None:
    rows, names = people_on_a_sphere(6, 3, 4, seed=5)
    drawn = np.array([0, 3, 1, 0, 2, 0])
    copies, labels = [], []
    for row, name in zip(rows, names, strict=True):
        for copy in range(drawn[sorted(set(names)).index(name)]):
            copies.append(row)
            labels.append(f"{name}, copy {copy}")
    genuine, again = genuine_pairs(rows, names), genuine_pairs(np.stack(copies), labels)
    assert genuine.false_non_match_rate(0.8, drawn) == pytest.approx(again.false_non_match_rate(0.8))
    # Copies of one person are strangers to nobody, so they are taken out of the literal count.
    kept = strongest_pairs(np.stack(copies), labels, -1)
    numbers = np.array([int(label[7:10]) for label in sorted(set(labels))])
    others = numbers[kept.left_person] != numbers[kept.right_person]
    literal = kept.votes[others & (kept.cosines >= 0.3)].sum() / kept.votes[others].sum()
    assert false_match_rate(strongest_pairs(rows, names, -1), 0.3, drawn) == pytest.approx(literal)


def test_a_person_with_many_photos_has_one_vote_and_not_more_comparisons_than_are_borne() -> None:
    rows = np.concatenate([np.tile([[1.0, 0.0]], (30, 1)), [[1.0, 0.0], [0.0, 1.0]]])
    names = ["often"] * 30 + ["seldom"] * 2
    genuine = genuine_pairs(rows, names)
    assert genuine.cosines.size == 30 * 29 // 2 + 1
    assert genuine.false_non_match_rate(0.5) == pytest.approx(0.5)
    fewer = genuine_pairs(rows, names, most_photos=5)
    assert fewer.cosines.size == 5 * 4 // 2 + 1
    assert fewer.false_non_match_rate(0.5) == pytest.approx(0.5)


def test_a_cosine_at_the_threshold_is_a_match_in_both_rates() -> None:
    rows = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
    at = float(np.float32(0.6))
    assert genuine_pairs(rows[:2], ["a", "a"]).false_non_match_rate(at) == 0
    assert genuine_pairs(rows[:2], ["a", "a"]).false_non_match_rate(at + 1e-6) == 1
    assert false_match_rate(strongest_pairs(rows[:2], ["a", "b"], -1), at) == 1
    assert false_match_rate(strongest_pairs(rows[:2], ["a", "b"], -1), at + 1e-6) == 0


def test_what_is_not_a_number_or_has_no_name_is_refused() -> None:
    with pytest.raises(ValueError, match="do not go with 1 names"):
        genuine_pairs(np.eye(2), ["a"])
    with pytest.raises(ValueError, match="row 0 is not finite"):
        genuine_pairs(np.array([[np.nan, 0], [0, 1]]), ["a", "a"])


def test_intervals_enclose_their_rates_are_the_same_again_and_narrow_with_more_people() -> None:
    widths = []
    for people in (40, 160):
        rows, names = people_on_a_sphere(people, 4, 6, seed=1)
        kept, genuine = strongest_pairs(rows, names, 0.3), genuine_pairs(rows, names)
        matched = false_match_rates(kept, [0.3, 0.5], resamples=100)
        rejected = false_non_match_rates(genuine, [0.8], resamples=100)
        for rate in (*matched, *rejected):
            assert rate.interval.low < rate.value < rate.interval.high
        assert matched == false_match_rates(kept, [0.3, 0.5], resamples=100)
        assert matched[0].trials == people * (people - 1) // 2
        widths.append([rate.interval.high - rate.interval.low for rate in (matched[0], rejected[0])])
    assert widths[1][0] < 0.7 * widths[0][0]
    assert widths[1][1] < 0.7 * widths[0][1]


def test_no_error_is_told_with_the_rule_of_three() -> None:
    rows = np.eye(5, dtype=np.float32)
    kept = strongest_pairs(rows, list("abcde"), -1)
    (none, everyone) = false_match_rates(kept, [0.5, -1.0], resamples=20)
    assert (none.value, none.interval.low, none.interval.high) == (0, 0, pytest.approx(0.3))
    assert (everyone.value, everyone.interval.low, everyone.interval.high) == (1, pytest.approx(0.7), 1)
    assert Rate.of(0.0, [], 2).interval.high == 1
    with pytest.raises(ValueError, match="at least one trial, got 0"):
        Rate.of(0.0, [], 0)
