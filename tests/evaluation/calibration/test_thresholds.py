"""A cosine for every rate: where it is counted, where it is not, and that it says so; tables by size of gallery."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from evaluation.all_pairs.impostors import count_all_pairs
from evaluation.all_pairs.strongest import StrongestPairs, lowest_for, strongest_pairs
from evaluation.calibration.curve import calibrate
from evaluation.calibration.gallery_table import gallery_plot, gallery_table, statement_words
from evaluation.calibration.thresholds import (
    Basis,
    Statement,
    Threshold,
    gallery_rates,
    people_needed,
    state,
    tail_or_none,
)
from faces.calibration import Calibration


def measured(people: int, seed: int) -> tuple[Calibration, StrongestPairs]:
    rng = np.random.default_rng(seed)
    rows: NDArray[np.float32] = rng.normal(size=(people, 24)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    names = [f"{n:04d}" for n in range(people)]
    pairs = count_all_pairs(rows, names)
    calibration = calibrate(pairs, "points on a sphere")
    # Down to a decade above the floor, for the line, and to a hundredth, for the tail.
    lowest = lowest_for(pairs, min(1.0, 1.5 * max(1e-2, 10 * calibration.floor)))
    return calibration, strongest_pairs(rows, names, lowest)


CALIBRATION, PAIRS = measured(400, seed=2)
FEW_CALIBRATION, FEW_PAIRS = measured(60, seed=2)


def test_a_rate_is_counted_down_to_the_floor_and_stated_in_two_ways_below() -> None:
    assert 3e-4 < CALIBRATION.floor < 5e-4
    counted, below = state([1e-3, 1e-5], CALIBRATION, PAIRS, resamples=60)
    assert counted.offered.basis is Basis.COUNTED
    assert counted.beside is None
    assert counted.offered.cosine == CALIBRATION.threshold(1e-3)
    assert below.offered.basis is Basis.LINEAR
    assert below.offered.cosine == CALIBRATION.threshold(1e-5)
    assert below.beside is not None
    assert below.beside.basis is Basis.TAIL
    tail = tail_or_none(PAIRS)
    assert tail is not None
    assert below.beside.cosine == tail.threshold(1e-5)


def test_the_floor_itself_is_counted_and_what_is_just_below_is_not() -> None:
    at, under = state([CALIBRATION.floor, CALIBRATION.floor * 0.999], CALIBRATION, PAIRS, resamples=1)
    assert at.offered.basis is Basis.COUNTED
    assert under.offered.basis is Basis.LINEAR


def test_the_tail_is_offered_where_it_is_asked_for_and_there() -> None:
    (chosen,) = state([1e-5], CALIBRATION, PAIRS, below=Basis.TAIL, resamples=5)
    assert (chosen.offered.basis, chosen.beside and chosen.beside.basis) == (Basis.TAIL, Basis.LINEAR)
    (counted,) = state([1e-2], CALIBRATION, PAIRS, below=Basis.TAIL, resamples=5)
    assert counted.offered.basis is Basis.COUNTED
    (without,) = state([1e-5], FEW_CALIBRATION, FEW_PAIRS, below=Basis.TAIL, resamples=5)
    assert tail_or_none(FEW_PAIRS) is None
    assert (without.offered.basis, without.beside) == (Basis.LINEAR, None)


def test_intervals_enclose_the_cosine_grow_downwards_and_are_the_same_again() -> None:
    found = state([1e-3, 1e-4, 1e-5], CALIBRATION, PAIRS, resamples=200)
    widths = []
    for statement in found:
        interval = statement.offered.interval
        assert interval is not None
        assert interval.low < statement.offered.cosine < interval.high
        widths.append(interval.high - interval.low)
    assert widths == sorted(widths)
    assert found == state([1e-3, 1e-4, 1e-5], CALIBRATION, PAIRS, resamples=200)
    assert found != state([1e-3, 1e-4, 1e-5], CALIBRATION, PAIRS, resamples=200, seed=1)


def test_the_interval_of_a_counted_cosine_is_that_of_literal_draws() -> None:
    (statement,) = state([5e-2], FEW_CALIBRATION, FEW_PAIRS, resamples=1)
    assert statement.offered.basis is Basis.COUNTED
    assert statement.offered.interval is not None
    drawn = np.bincount(np.random.default_rng(0).integers(0, 60, 60), minlength=60)
    copies = np.repeat(np.arange(60), drawn)
    cosine_of = {
        (a, b): c
        for a, b, c in zip(FEW_PAIRS.left_person, FEW_PAIRS.right_person, FEW_PAIRS.cosines, strict=True)
    }
    cosines, different = [], 0
    for at, one in enumerate(copies):
        for other in copies[at + 1 :]:
            if one != other:
                different += 1
                cosines.append(cosine_of.get((one, other), -1.0))
    first_too_many = sorted(cosines, reverse=True)[int(5e-2 * different)]
    assert statement.offered.interval.low == pytest.approx(first_too_many)


def test_where_the_pairs_kept_stop_too_early_there_is_no_interval() -> None:
    wide, narrow = state([0.5, 1e-3], CALIBRATION, PAIRS, resamples=20)
    assert wide.offered.interval is None
    assert narrow.offered.interval is not None
    assert statement_words(wide) == f"{CALIBRATION.threshold(0.5):.4f}, counted"


def test_a_rate_takes_the_people_of_whom_thirty_pairs_are_expected_to_match() -> None:
    assert [people_needed(fmr) for fmr in (1.0, 1e-1, 1e-2, 1e-4)] == [9, 25, 78, 776]
    for fmr in (1.0, 0.3, 1e-2, 1e-5):
        people = people_needed(fmr)
        assert people * (people - 1) / 2 * fmr >= 30 - 1e-6
        assert (people - 1) * (people - 2) / 2 * fmr < 30
    for nonsense in (0.0, -1.0, 2.0, float("nan")):
        with pytest.raises(ValueError, match=r"within 0\.\.1"):
            people_needed(nonsense)


def test_the_table_by_size_of_gallery_names_every_basis_and_the_plot_separates_them() -> None:
    rates = gallery_rates((1, 10, 1000), (1e-1, 1e-2))
    assert [size for size, _, _ in rates] == [1, 10, 1000, 1, 10, 1000]
    assert rates[2][2] == pytest.approx(1 - 0.9 ** (1 / 1000))
    statements = state([fmr for _, _, fmr in rates], CALIBRATION, PAIRS, resamples=20)
    table = gallery_table("one", rates, statements)
    assert table.rows[0] == ("", "one")
    assert len(table.rows) == 7
    assert table.rows[1][1].endswith("counted")
    last = table.rows[-1]
    assert last[0] == "FPIR 0.01, 1,000 people (FMR 1.0e-05)"
    assert "linear; " in last[1]
    assert last[1].endswith("extreme-value tail")
    plot = gallery_plot("one", rates, statements)
    for curve in plot.curves:
        assert not (curve.dashed and curve.dots)
    counted = [curve for curve in plot.curves if not curve.dashed and not curve.dots]
    dashed = [curve for curve in plot.curves if curve.dashed]
    assert [curve.label for curve in counted] == ["one, FPIR 0.1", "one, FPIR 0.01"]
    assert [curve.points[0] for curve in dashed] == [curve.points[-1] for curve in counted]
    assert plot.svg().count("<circle") == sum(statement.beside is not None for statement in statements)


def test_a_gallery_of_one_size_still_has_an_axis() -> None:
    rates = [(5, 0.1, 0.02)]
    statements = [Statement(Threshold(0.02, 0.3, None, Basis.COUNTED), None)]
    assert "<svg" in gallery_plot("one", rates, statements).svg()
