"""False match and non-match rates at fixed cosines with intervals over people; chooses no threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.all_pairs.genuine import GenuinePairs
from evaluation.all_pairs.strongest import Floats, StrongestPairs
from evaluation.resampling import RESAMPLES, Interval, drawn_people_pairs, interval_of, people_draws


@dataclass(frozen=True)
class Rate:
    """value: 0..1. interval: 95 %, over people. trials: what the rate is a share of, pairs of people or people."""

    value: float
    interval: Interval
    trials: int

    @classmethod
    def of(cls, value: float, samples: Sequence[float] | Floats, trials: int) -> Rate:
        """A rate of 0 has no spread in a bootstrap; its upper limit is that of the rule of three, 3 / trials (Hanley &
        Lippman-Hand 1983), and a rate of 1 has the mirror image.
        """
        if trials < 1:
            raise ValueError(f"a rate needs at least one trial, got {trials}")
        three = min(1.0, 3 / trials)
        if value == 0:
            return cls(value, Interval(0.0, three), trials)
        if value == 1:
            return cls(value, Interval(1 - three, 1.0), trials)
        return cls(value, interval_of(samples), trials)


def false_match_rate(strongest: StrongestPairs, cosine: float, drawn: Floats | None = None) -> float:
    """The share of pairs of people, each with one vote, at or above a cosine, 0..1; NaN for a draw of one person."""
    votes = strongest.votes_of(drawn)[: strongest.passing(cosine)].sum()
    total = strongest.people_pairs if drawn is None else drawn_people_pairs(drawn)
    return float(votes / total) if total > 0 else float("nan")


def false_match_rates(
    strongest: StrongestPairs, cosines: Sequence[float], *, resamples: int = RESAMPLES, seed: int = 0
) -> list[Rate]:
    """One rate for each cosine, none below `strongest.lowest`; all on the same draws of people."""
    passing = [strongest.passing(cosine) for cosine in cosines]
    samples = np.full((resamples, len(cosines)), np.nan)
    for sample, drawn in enumerate(people_draws(strongest.people, resamples, seed)):
        if (total := drawn_people_pairs(drawn)) > 0:
            votes = np.concatenate([[0.0], np.cumsum(strongest.votes_of(drawn))])
            samples[sample] = votes[passing] / total
    return [
        Rate.of(false_match_rate(strongest, cosine), samples[:, at], strongest.people_pairs)
        for at, cosine in enumerate(cosines)
    ]


def false_non_match_rates(
    genuine: GenuinePairs, cosines: Sequence[float], *, resamples: int = RESAMPLES, seed: int = 0
) -> list[Rate]:
    """One rate for each cosine, a vote a person. ValueError where nobody has two photos."""
    people = int(genuine.compared().sum())
    if people == 0:
        raise ValueError("a false non-match rate needs at least one person with two photos")
    below = np.searchsorted(genuine.cosines, np.asarray(cosines), side="left")
    samples = np.full((resamples, len(cosines)), np.nan)
    for sample, drawn in enumerate(people_draws(genuine.people, resamples, seed)):
        votes = np.concatenate([[0.0], np.cumsum(genuine.votes * drawn[genuine.person])])
        if votes[-1] > 0:
            samples[sample] = votes[below] / votes[-1]
    return [
        Rate.of(genuine.false_non_match_rate(cosine), samples[:, at], people)
        for at, cosine in enumerate(cosines)
    ]


def rate_words(rate: Rate) -> str:
    """`1.2e-03 (9.0e-04 to 1.6e-03)`."""
    return f"{rate.value:.1e} ({rate.interval.low:.1e} to {rate.interval.high:.1e})"


def percent_words(rate: Rate) -> str:
    """`1.20 (0.90 to 1.60)`, in percent."""
    return f"{100 * rate.value:.2f} ({100 * rate.interval.low:.2f} to {100 * rate.interval.high:.2f})"
