"""The calibration curve: its points are counts, its floor is honest, its intervals cover."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from evaluation.all_pairs.impostors import count_all_pairs
from evaluation.calibration.curve import ERRORS_NEEDED, calibrate, fnmr_at, rate_interval


def people_on_a_sphere(
    people: int, photos: int, dimension: int, seed: int
) -> tuple[NDArray[np.float32], list[str]]:
    """`photos` noisy views each of random directions."""
    rng = np.random.default_rng(seed)
    rows = np.repeat(rng.normal(size=(people, dimension)), photos, axis=0)
    rows += 0.3 * rng.normal(size=rows.shape)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows.astype(np.float32), [f"person {n // photos}" for n in range(people * photos)]


ROWS, NAMES = people_on_a_sphere(150, 3, 24, seed=3)
ALL = count_all_pairs(ROWS, NAMES, strongest=20_000)
CURVE = calibrate(ALL, "points on a sphere")
IMPOSTORS = np.array(
    [float(ROWS[i] @ ROWS[j]) for i in range(450) for j in range(i + 1, 450) if NAMES[i] != NAMES[j]]
)


def test_every_point_is_the_share_of_impostors_counted_at_its_cosine() -> None:
    assert CURVE.pairs == IMPOSTORS.size == 150 * 149 // 2 * 9
    for cosine, log_rate in zip(CURVE.cosines, CURVE.log10_fmr, strict=True):
        assert 10**log_rate == pytest.approx(np.mean(cosine <= IMPOSTORS), abs=2 / IMPOSTORS.size)


def test_the_curve_rises_in_cosine_falls_in_rate_and_is_dense() -> None:
    assert np.all(np.diff(CURVE.cosines) > 0)
    assert np.all(np.diff(CURVE.log10_fmr) < 0)
    assert CURVE.log10_fmr[0] > np.log10(0.98)
    assert np.max(np.abs(np.diff(CURVE.log10_fmr))) < 0.21
    assert CURVE.data == "points on a sphere"


def test_the_floor_is_the_last_point_and_has_thirty_votes_of_pairs_of_people() -> None:
    assert 10 ** CURVE.log10_fmr[-1] == pytest.approx(CURVE.floor, rel=2e-3)
    assert not CURVE.is_extrapolated(CURVE.cosines[-1])
    assert CURVE.is_extrapolated(CURVE.cosines[-1] + 0.01)

    def votes_at(cosine: float) -> float:
        return sum(pair.cosine >= cosine for pair in ALL.strongest) / 9  # 3 x 3 photos each

    assert votes_at(CURVE.cosines[-1]) >= ERRORS_NEEDED
    assert votes_at(CURVE.cosines[-1] + 1e-4) < ERRORS_NEEDED


def test_the_photos_of_two_lookalikes_have_one_vote_together() -> None:
    rows = np.concatenate([ROWS, np.repeat(ROWS[:1], 60, axis=0)])
    names = [*NAMES, *["lookalike"] * 60]
    counted = count_all_pairs(rows, names, strongest=20_000)
    assert counted.impostor_people.sum() == pytest.approx(151 * 150 / 2)
    expected = 0.0
    for pair in counted.strongest:
        if pair.cosine >= 0.9:
            left, right = names[pair.left], names[pair.right]
            expected += 1 / (names.count(left) * names.count(right))
    assert counted.impostor_people[19_000:].sum() == pytest.approx(expected)
    assert counted.impostor[19_000:].sum() >= 60
    assert expected <= 2
    curve = calibrate(counted, "twins")
    assert curve.threshold(curve.floor) < 0.9


def test_too_few_people_are_refused_with_the_number_needed() -> None:
    rows, names = people_on_a_sphere(7, 4, 8, seed=1)
    with pytest.raises(ValueError, match=r"only 21 different pairs of people; a calibration needs 30"):
        calibrate(count_all_pairs(rows, names), "seven people")


def test_the_interval_over_people_encloses_the_rate_and_is_wider_than_one_of_independent_pairs() -> None:
    interval = rate_interval(1e-2, ALL, NAMES, resamples=400)
    assert interval.fmr == pytest.approx(1e-2, rel=0.02)
    assert interval.low < interval.fmr < interval.high
    assert interval.fmr == pytest.approx(np.mean(interval.cosine <= IMPOSTORS), abs=2 / IMPOSTORS.size)
    independent = 2 * 1.96 * np.sqrt(interval.fmr / IMPOSTORS.size)
    assert interval.high - interval.low > 1.5 * independent


def test_the_interval_is_the_same_at_every_run_and_refuses_a_list_that_stops_too_early() -> None:
    first = rate_interval(1e-3, ALL, NAMES, resamples=50)
    assert first == rate_interval(1e-3, ALL, NAMES, resamples=50)
    with pytest.raises(ValueError, match="but only 20 of them were kept"):
        rate_interval(1e-2, count_all_pairs(ROWS, NAMES, strongest=20), NAMES)


def test_the_interval_over_people_covers_the_rate_of_the_population() -> None:
    # Twenty samples of one population: of their 95 % intervals at least 16 must hold the rate of all of them.
    samples = []
    for seed in range(20):
        rows, names = people_on_a_sphere(60, 2, 24, seed=100 + seed)
        samples.append((count_all_pairs(rows, names, strongest=2000), names))
    cosine = 0.45
    true_rate = np.mean([_rate_at(pairs.impostor, cosine) for pairs, _ in samples])
    covered = 0
    for pairs, names in samples:
        interval = rate_interval(_rate_at(pairs.impostor, cosine), pairs, names, resamples=200)
        covered += interval.low <= true_rate <= interval.high
    assert covered >= 16


def _rate_at(impostor: NDArray[np.int64], cosine: float) -> float:
    return float(impostor[round((cosine + 1) * 10_000) :].sum() / impostor.sum())


def test_fnmr_counts_the_genuine_pairs_below_the_threshold() -> None:
    assert fnmr_at(np.array([0.1, 0.5, 0.5, 0.9]), 0.5) == 0.25
    with pytest.raises(ValueError, match="at least one genuine pair"):
        fnmr_at(np.array([]), 0.5)
