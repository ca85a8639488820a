"""Bootstrap over people: against a literal resampling of probes, and on cases whose interval is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from evaluation.identification.open_set import Searches, open_set_point, rank_rate
from evaluation.identification.open_set_intervals import fnir_interval, rank_interval


def made(seed: int, people: int = 12, strangers: int = 15) -> Searches:
    rng = np.random.default_rng(seed)
    of_mates, of_strangers = rng.integers(0, people, 60), 100 + rng.integers(0, strangers, 50)
    mate = np.round(rng.normal(0.6, 0.2, 60).clip(-1, 1), 2)
    other = np.round(rng.normal(0.4, 0.15, 110).clip(-1, 1), 2)
    rank = np.where(mate > other[:60], 1, 2)
    return Searches(
        people=np.concatenate([of_mates, of_strangers]),
        mated=np.arange(110) < 60,
        rank=np.concatenate([rank, np.zeros(50, int)]),
        mate=np.concatenate([mate, np.full(50, -np.inf)]),
        other=other,
    )


def taken(searches: Searches, at: list[int]) -> Searches:
    return Searches(
        searches.people[at], searches.mated[at], searches.rank[at], searches.mate[at], searches.other[at]
    )


@pytest.mark.parametrize("seed", range(3))
def test_a_resample_is_the_figure_of_the_drawn_peoples_probes(seed: int) -> None:
    """The literal way: copy every probe of every drawn person, as often as it was drawn, and measure anew."""
    searches, fpir, resamples = made(seed), 0.1, 60
    rng = np.random.default_rng(7)
    mates, others = (np.unique(searches.people[which]) for which in (searches.mated, ~searches.mated))
    rates = []
    for _ in range(resamples):
        drawn = [
            mates[rng.integers(0, len(mates), len(mates))],
            others[rng.integers(0, len(others), len(others))],
        ]
        at = [
            probe for person in np.concatenate(drawn) for probe in np.flatnonzero(searches.people == person)
        ]
        rates.append(open_set_point(taken(searches, at), fpir).fnir)
    interval = fnir_interval(searches, fpir, resamples=resamples, seed=7)
    assert (interval.low, interval.high) == pytest.approx(tuple(np.quantile(rates, [0.025, 0.975])))

    rng = np.random.default_rng(7)
    rates = []
    for _ in range(resamples):
        drawn_mates = mates[rng.integers(0, len(mates), len(mates))]
        at = [probe for person in drawn_mates for probe in np.flatnonzero(searches.people == person)]
        rates.append(rank_rate(taken(searches, at), 1))
    interval = rank_interval(searches, 1, resamples=resamples, seed=7)
    assert (interval.low, interval.high) == pytest.approx(tuple(np.quantile(rates, [0.025, 0.975])))


def test_photos_of_one_person_do_not_make_a_figure_surer() -> None:
    """Forty probes of four people: every person always or never found, so the interval is that of four, not forty."""
    people = np.repeat(np.arange(4), 10)
    found = people < 2
    searches = Searches(
        people=people,
        mated=np.ones(40, np.bool_),
        rank=np.where(found, 1, 0),
        mate=np.where(found, 0.9, -np.inf),
        other=np.full(40, 0.1),
    )
    by_person = rank_interval(searches, 1)
    assert (by_person.low, by_person.high) == (0.0, 1.0)
    alone = Searches(np.arange(40), searches.mated, searches.rank, searches.mate, searches.other)
    by_probe = rank_interval(alone, 1)
    assert 0.3 < by_probe.low < 0.5 < by_probe.high < 0.7


def test_without_variation_the_interval_is_the_figure() -> None:
    searches = Searches(
        people=np.arange(6),
        mated=np.arange(6) < 3,
        rank=np.array([1, 1, 1, 0, 0, 0]),
        mate=np.array([0.9, 0.9, 0.9, -np.inf, -np.inf, -np.inf]),
        other=np.full(6, 0.1),
    )
    assert rank_interval(searches, 1, resamples=20) == rank_interval(searches, 1, resamples=20, seed=3)
    interval = fnir_interval(searches, 0.1, resamples=20)
    assert (interval.low, interval.high) == (0.0, 0.0)


def test_an_absent_kind_of_probe_has_no_interval() -> None:
    strangers = Searches(
        np.arange(2), np.zeros(2, np.bool_), np.zeros(2, int), np.full(2, -np.inf), np.zeros(2)
    )
    assert math.isnan(rank_interval(strangers, 1).low)
    assert math.isnan(fnir_interval(strangers, 0.1).high)
    mated = Searches(np.arange(2), np.ones(2, np.bool_), np.ones(2, int), np.full(2, 0.5), np.zeros(2))
    with pytest.raises(ValueError, match="at least one probe of a stranger"):
        fnir_interval(mated, 0.1)
