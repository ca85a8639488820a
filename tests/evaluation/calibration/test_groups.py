"""Rates by group against literal counting; groups too small are named and never shown as numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from evaluation.all_pairs.genuine import genuine_pairs
from evaluation.all_pairs.rates import false_match_rate
from evaluation.all_pairs.strongest import strongest_pairs
from evaluation.calibration.group_tables import group_figures, group_table
from evaluation.calibration.groups import GroupLevel, group_levels

Rows = NDArray[np.float32]


def people_in_groups(people: int, photos: int, spread: float, seed: int) -> tuple[Rows, list[str]]:
    """People of whom every second one lies about one direction, so that strangers among them are alike."""
    rng = np.random.default_rng(seed)
    middles = rng.normal(size=(people, 8))
    middles[::2] += spread * np.eye(8)[0]
    rows = np.repeat(middles, photos, axis=0) + 0.3 * rng.normal(size=(people * photos, 8))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float32), [f"{n // photos:04d}" for n in range(people * photos)]


def levels_of(
    rows: Rows, names: list[str], group_of: list[str | None], fmr: float, cosine: float, resamples: int = 40
) -> GroupLevel:
    pairs, genuine = strongest_pairs(rows, names, -1.0), genuine_pairs(rows, names)
    (level,) = group_levels(group_of, pairs, genuine, [(fmr, cosine)], resamples=resamples)
    return level


@given(st.integers(0, 10_000), st.floats(0.0, 0.9))
@settings(max_examples=15, deadline=None)
def test_cells_are_what_counting_pairs_of_people_gives(seed: int, cosine: float) -> None:
    rows, names = people_in_groups(36, 2, 2.0, seed)
    rng = np.random.default_rng(seed)
    group_of: list[str | None] = [["a", "b", None][at] for at in rng.integers(0, 3, 36)]
    group_of[:4] = ["a", "a", "b", "b"]
    level = levels_of(rows, names, group_of, 1.0, cosine, resamples=3)
    people = [n // 2 for n in range(72)]
    for cell in level.false_matches:
        shares = []
        for p in range(36):
            for q in range(p + 1, 36):
                both = tuple(sorted(str(group_of[who]) for who in (p, q)))
                if both == cell.groups:
                    cosines = rows[[i for i in range(72) if people[i] == p]] @ rows[2 * q : 2 * q + 2].T
                    shares.append((cosines >= cosine).mean())
        assert cell.people_pairs == len(shares)
        if cell.rate is None:
            assert len(shares) < cell.needed == 30
        else:
            assert cell.rate.value == pytest.approx(np.mean(shares), abs=1e-9)


def test_within_and_between_together_are_the_rate_of_all() -> None:
    rows, names = people_in_groups(90, 1, 1.0, seed=3)
    group_of: list[str | None] = ["one" if n % 2 else "other" for n in range(90)]
    level = levels_of(rows, names, group_of, 1e-1, 0.5)
    votes = sum(cell.rate.value * cell.people_pairs for cell in level.false_matches if cell.rate is not None)
    assert sum(cell.people_pairs for cell in level.false_matches) == 90 * 89 // 2
    assert votes / (90 * 89 / 2) == pytest.approx(false_match_rate(strongest_pairs(rows, names, -1.0), 0.5))


def test_a_group_whose_strangers_are_alike_stands_out_beyond_its_interval() -> None:
    rows, names = people_in_groups(160, 2, 4.0, seed=1)
    group_of: list[str | None] = ["tight" if n % 2 == 0 else "wide" for n in range(160)]
    level = levels_of(rows, names, group_of, 1e-1, 0.5, resamples=150)
    rates = {cell.groups: cell.rate for cell in level.false_matches}
    tight, wide = rates["tight", "tight"], rates["wide", "wide"]
    assert tight is not None
    assert wide is not None
    assert tight.interval.low > wide.interval.high
    assert tight.interval.low < tight.value < tight.interval.high
    ratios = {ratio.group: ratio for ratio in level.match_differential.ratios}
    assert ratios["tight"].value * ratios["wide"].value == pytest.approx(1)
    assert ratios["tight"].value == pytest.approx(np.sqrt(tight.value / wide.value))
    assert ratios["tight"].interval.low > 1 > ratios["wide"].interval.high


def test_false_non_matches_are_counted_a_vote_a_person_and_need_thirty_people_with_two_photos() -> None:
    rows = np.tile(np.array([[1.0, 0.0]], np.float32), (130, 1))
    rows[1:60:2] = [0.0, 1.0]  # everybody of "a" fails, all of "b" match
    names = [f"{n // 2:03d}" for n in range(120)] + [f"{n:03d}" for n in range(60, 70)]
    group_of: list[str | None] = ["a"] * 30 + ["b"] * 30 + ["single photos"] * 10
    level = levels_of(rows, names, group_of, 1e-1, 0.5)
    a, b, single = level.false_non_matches
    assert (a.people, b.people, single.people) == (30, 30, 0)
    assert a.rate is not None
    assert b.rate is not None
    assert (a.rate.value, b.rate.value, single.rate) == (1.0, 0.0, None)
    assert b.rate.interval.high == pytest.approx(0.1)
    assert level.non_match_differential.ratios == ()
    assert "no error was counted for b" in level.non_match_differential.why


def test_small_groups_are_said_to_be_small_with_what_they_would_need_and_no_number() -> None:
    rows, names = people_in_groups(40, 2, 1.0, seed=2)
    group_of: list[str | None] = ["few"] * 3 + ["one alone"] + ["most"] * 36
    level = levels_of(rows, names, group_of, 1e-1, 0.5)
    rates = {cell.groups: cell for cell in level.false_matches}
    assert rates["few", "few"].rate is None
    assert (rates["few", "few"].people_pairs, rates["few", "few"].needed) == (3, 300)
    assert rates["one alone", "one alone"].people_pairs == 0
    assert rates["most", "most"].rate is not None
    assert level.match_differential.ratios == ()
    assert "1 of 3 groups are large enough" in level.match_differential.why
    cells = dict(group_table("column", "pack", [level]).rows)
    assert cells["within few at FMR 0.1: FMR"] == "too small: 3 pairs of people, 300 needed"
    assert cells["one alone at FMR 0.1: FNMR, %"] == "too small: 1 people with two photos, 30 needed"
    (figures,) = group_figures([level])
    assert next(cell for cell in figures["false_matches"] if cell["groups"] == ["few", "few"])["rate"] is None


def test_one_group_alone_has_rates_and_no_differential() -> None:
    rows, names = people_in_groups(40, 2, 1.0, seed=2)
    level = levels_of(rows, names, ["all"] * 40, 1e-1, 0.3)
    (cell,) = level.false_matches
    assert cell.rate is not None
    assert cell.rate.value == pytest.approx(false_match_rate(strongest_pairs(rows, names, -1.0), 0.3))
    assert level.match_differential.ratios == ()


def test_equal_rows_match_in_every_group_alike() -> None:
    rows = np.tile(np.array([[0.6, 0.8]], np.float32), (80, 1))
    names = [f"{n // 2:02d}" for n in range(80)]
    level = levels_of(rows, names, ["a" if n < 20 else "b" for n in range(40)], 1.0, 0.9)
    assert all(cell.rate is not None and cell.rate.value == 1 for cell in level.false_matches)
    assert [ratio.value for ratio in level.match_differential.ratios] == [1.0, 1.0]


def test_intervals_are_the_same_again_and_people_in_no_group_change_nothing() -> None:
    rows, names = people_in_groups(80, 2, 2.0, seed=4)
    group_of: list[str | None] = ["a" if n % 2 else "b" for n in range(60)] + [None] * 20
    level = levels_of(rows, names, group_of, 1.0, 0.4)
    assert level == levels_of(rows, names, group_of, 1.0, 0.4)
    without = levels_of(rows[:120], names[:120], group_of[:60], 1.0, 0.4)
    for cell, other in zip(level.false_matches, without.false_matches, strict=True):
        assert cell.rate is not None
        assert other.rate is not None
        assert cell.rate.value == pytest.approx(other.rate.value)


def test_names_that_do_not_go_together_and_nobody_in_a_group_are_refused() -> None:
    rows, names = people_in_groups(4, 2, 1.0, seed=0)
    with pytest.raises(ValueError, match="groups of 3 people, impostor pairs of 4"):
        levels_of(rows, names, ["a"] * 3, 1e-1, 0.5)
    with pytest.raises(ValueError, match="nobody is in a group"):
        levels_of(rows, names, [None] * 4, 1e-1, 0.5)
