"""How sure one-to-many figures are: bootstrap intervals over people; computes no figure of its own.

Probes of one person are not independent, so people are drawn, with replacement, and all their probes with them;
people who are enrolled and strangers apart, since a test fixes how many there are of each. The gallery stays as it
is: what another gallery would give is not in these intervals.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from evaluation.open_set import Int64, Searches, allowed_to_pass

RESAMPLES = 1000


@dataclass(frozen=True)
class Interval:
    """95 % of the resampled rates lie between `low` and `high`, 0..1; NaN where the rate itself is."""

    low: float
    high: float


def rank_interval(searches: Searches, rank: int, *, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """Of open_set.rank_rate."""
    hits = searches.hits(rank) > -np.inf
    if not hits.size:
        return Interval(float("nan"), float("nan"))
    person = _numbered(searches.people[searches.mated])
    found, probes = np.bincount(person, weights=hits), np.bincount(person)
    draws = _draws(probes.size, resamples, np.random.default_rng(seed))
    return _interval([float(drawn @ found) / float(drawn @ probes) for drawn in draws])


def fnir_interval(
    searches: Searches, fpir: float, rank: int = 1, *, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """Of the FNIR in open_set.open_set_point; each resample chooses its threshold anew. ValueError as there."""
    allowed_to_pass(fpir, float(np.count_nonzero(~searches.mated)))
    hits, strangers = searches.hits(rank), searches.strangers()
    if not hits.size:
        return Interval(float("nan"), float("nan"))
    enrolled, other = _numbered(searches.people[searches.mated]), _numbered(searches.people[~searches.mated])
    falling = np.argsort(-strangers, kind="stable")
    falling = falling[strangers[falling] > -np.inf]
    rng = np.random.default_rng(seed)
    rates = []
    for drawn_mates, drawn_others in zip(
        _draws(int(enrolled.max()) + 1, resamples, rng),
        _draws(int(other.max()) + 1, resamples, rng),
        strict=True,
    ):
        weights, votes = drawn_mates[enrolled], drawn_others[other]
        passed = np.cumsum(votes[falling])
        first_refused = int(np.searchsorted(passed, allowed_to_pass(fpir, float(votes.sum())), side="right"))
        level = -np.inf if first_refused == falling.size else strangers[falling[first_refused]]
        rates.append(1.0 - float(weights @ (hits > level)) / float(weights.sum()))
    return _interval(rates)


def _numbered(people: Int64) -> Int64:
    """(P,) numbers 0, 1, ... of the people, in the order of their own."""
    return np.unique(people, return_inverse=True)[1].astype(np.int64)


def _draws(people: int, resamples: int, rng: np.random.Generator) -> Iterator[Int64]:
    """How often each person is drawn, (people,) int64, `resamples` times."""
    for _ in range(resamples):
        yield np.bincount(rng.integers(0, people, people), minlength=people)


def _interval(rates: list[float]) -> Interval:
    low, high = np.quantile(np.array(rates), [0.025, 0.975])
    return Interval(float(low), float(high))
