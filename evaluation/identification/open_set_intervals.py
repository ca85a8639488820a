"""How sure one-to-many figures are: bootstrap intervals over people; computes no figure of its own.

Probes of one person are not independent, so people are drawn, with replacement, and all their probes with them;
people who are enrolled and strangers apart, since a test fixes how many there are of each. The gallery stays as it
is: what another gallery would give is not in these intervals.
"""

from __future__ import annotations

import numpy as np

from evaluation.identification.open_set import Int64, Searches, allowed_to_pass
from evaluation.resampling import RESAMPLES, Interval, interval_of, people_draws


def rank_interval(searches: Searches, rank: int, *, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """Of open_set.rank_rate."""
    hits = searches.hits(rank) > -np.inf
    if not hits.size:
        return interval_of([])
    person = _numbered(searches.people[searches.mated])
    found, probes = np.bincount(person, weights=hits), np.bincount(person)
    draws = people_draws(probes.size, resamples, seed)
    return interval_of([float(drawn @ found) / float(drawn @ probes) for drawn in draws])


def fnir_interval(
    searches: Searches, fpir: float, rank: int = 1, *, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """Of the FNIR in open_set.open_set_point; each resample chooses its threshold anew. ValueError as there."""
    allowed_to_pass(fpir, float(np.count_nonzero(~searches.mated)))
    hits, strangers = searches.hits(rank), searches.strangers()
    if not hits.size:
        return interval_of([])
    enrolled, other = _numbered(searches.people[searches.mated]), _numbered(searches.people[~searches.mated])
    falling = np.argsort(-strangers, kind="stable")
    falling = falling[strangers[falling] > -np.inf]
    rng = np.random.default_rng(seed)
    rates = []
    for drawn_mates, drawn_others in zip(
        people_draws(int(enrolled.max()) + 1, resamples, rng),
        people_draws(int(other.max()) + 1, resamples, rng),
        strict=True,
    ):
        weights, votes = drawn_mates[enrolled], drawn_others[other]
        passed = np.cumsum(votes[falling])
        first_refused = int(np.searchsorted(passed, allowed_to_pass(fpir, float(votes.sum())), side="right"))
        level = -np.inf if first_refused == falling.size else strangers[falling[first_refused]]
        rates.append(1.0 - float(weights @ (hits > level)) / float(weights.sum()))
    return interval_of(rates)


def _numbered(people: Int64) -> Int64:
    """(P,) numbers 0, 1, ... of the people, in the order of their own."""
    return np.unique(people, return_inverse=True)[1].astype(np.int64)
