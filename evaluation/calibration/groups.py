"""False match and non-match rates by groups of people that the user named; says nothing of why they differ.

As NIST reports them (Grother, Ngan, Hanaoka, FRVT part 3: demographic effects, NIST IR 8280, 2019): one threshold for
everybody, the false match rate of every pair of groups, within and between, and the false non-match rate of every
group. How much groups differ is the ratio of each to the geometric mean of all: rates differ by factors, and no group
is the norm. The greatest of these ratios is the summary measure Max/GeoMean of part 8, summarizing demographic
differentials (Grother, NIST IR 8429, 2022), which has others too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.all_pairs.genuine import GenuinePairs
from evaluation.all_pairs.rates import Rate
from evaluation.all_pairs.strongest import Floats, Integers, StrongestPairs
from evaluation.calibration.curve import ERRORS_NEEDED
from evaluation.resampling import RESAMPLES, Interval, interval_of, people_draws


@dataclass(frozen=True)
class FalseMatches:
    """Of pairs of people of two groups, or within one where both names are the same.

    people_pairs: how many there are. needed: how many it takes at this rate. rate: None where there are fewer.
    """

    groups: tuple[str, str]
    people_pairs: int
    needed: int
    rate: Rate | None


@dataclass(frozen=True)
class FalseNonMatches:
    """Of a group's people who have two photos. needed: how many it takes. rate: None where there are fewer."""

    group: str
    people: int
    needed: int
    rate: Rate | None


@dataclass(frozen=True)
class Ratio:
    """A group's rate over the geometric mean of all groups', with its 95 % interval."""

    group: str
    value: float
    interval: Interval


@dataclass(frozen=True)
class Differential:
    """ratios: one for each group whose rate is shown; empty where there is nothing to compare, and `why` says why."""

    ratios: tuple[Ratio, ...]
    why: str


@dataclass(frozen=True)
class GroupLevel:
    """Everything at one threshold. fmr: the rate it stands for, 0..1. cosine: the threshold."""

    fmr: float
    cosine: float
    false_matches: tuple[FalseMatches, ...]
    false_non_matches: tuple[FalseNonMatches, ...]
    match_differential: Differential
    non_match_differential: Differential


@dataclass(frozen=True)
class _Column:
    """people: (P,) int64, the group of each person, -1 for none. names: of the groups, sorted."""

    names: tuple[str, ...]
    group: Integers

    def size(self, group: int) -> int:
        return int((self.group == group).sum())


def group_levels(
    group_of: Sequence[str | None],
    strongest: StrongestPairs,
    genuine: GenuinePairs,
    thresholds: Sequence[tuple[float, float]],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[GroupLevel]:
    """The rates by group at each of the thresholds, (false match rate it stands for, cosine).

    group_of: for each person in the order of the sorted names, None for no group. strongest and genuine: of the same
    people. Intervals are of a bootstrap over the people of each group by itself. A cell is too small for a number where
    not even ERRORS_NEEDED of its pairs would match falsely at the rate that the threshold stands for; so many people
    with two photos a false non-match rate takes. ValueError where names and people do not go together or no one is in
    a group.
    """
    if len(group_of) != strongest.people or strongest.people != genuine.people:
        raise ValueError(
            f"groups of {len(group_of)} people, impostor pairs of {strongest.people} and genuine pairs of "
            f"{genuine.people} do not go together"
        )
    names = tuple(sorted({group for group in group_of if group is not None}))
    if not names:
        raise ValueError("nobody is in a group")
    number = {name: at for at, name in enumerate(names)}
    column = _Column(names, np.array([-1 if name is None else number[name] for name in group_of]))
    draws = list(_draws(column.group, resamples, seed))
    return [_level(column, strongest, genuine, fmr, cosine, draws) for fmr, cosine in thresholds]


def _draws(group: Integers, resamples: int, seed: int) -> Iterator[Integers]:
    """How often each person is drawn, each group's people among themselves; those in no group never."""
    draw = np.random.default_rng(seed)
    members = [np.flatnonzero(group == at) for at in range(int(group.max()) + 1)]
    for of_groups in zip(*(people_draws(own.size, resamples, draw) for own in members), strict=True):
        drawn = np.zeros(group.size, np.int64)
        for own, times in zip(members, of_groups, strict=True):
            drawn[own] = times
        yield drawn


def _level(
    column: _Column,
    strongest: StrongestPairs,
    genuine: GenuinePairs,
    fmr: float,
    cosine: float,
    draws: Sequence[Integers],
) -> GroupLevel:
    once = (column.group >= 0).astype(np.int64)
    values = _match_rates(column, strongest, cosine, once)
    samples = np.stack([_match_rates(column, strongest, cosine, drawn) for drawn in draws])
    count = len(column.names)
    matches = [
        _false_matches(column, a, b, fmr, float(values[a, b]), samples[:, a, b])
        for a in range(count)
        for b in range(a, count)
    ]
    own_values = _non_match_rates(column, genuine, cosine, once)
    own_samples = np.stack([_non_match_rates(column, genuine, cosine, drawn) for drawn in draws])
    compared = np.bincount(column.group[genuine.compared() & (column.group >= 0)], minlength=count)
    non_matches = [
        _false_non_matches(name, int(compared[at]), float(own_values[at]), own_samples[:, at])
        for at, name in enumerate(column.names)
    ]
    within = {cell.groups[0]: cell.rate for cell in matches if cell.groups[0] == cell.groups[1]}
    diagonal = np.arange(count)
    return GroupLevel(
        fmr,
        cosine,
        tuple(matches),
        tuple(non_matches),
        _differential(column.names, [within[name] for name in column.names], samples[:, diagonal, diagonal]),
        _differential(column.names, [cell.rate for cell in non_matches], own_samples),
    )


def _match_rates(column: _Column, strongest: StrongestPairs, cosine: float, drawn: Integers) -> Floats:
    """(groups, groups) symmetric; NaN where a draw has no pair of different people."""
    count = len(column.names)
    passing = strongest.passing(cosine)
    left, right = strongest.left_person[:passing], strongest.right_person[:passing]
    left_group, right_group = column.group[left], column.group[right]
    known = (left_group >= 0) & (right_group >= 0)
    cell = left_group[known] * count + right_group[known]
    weights = (strongest.votes[:passing] * (drawn[left] * drawn[right]))[known]
    votes = np.bincount(cell, weights=weights, minlength=count * count).reshape(count, count)
    votes = np.where(np.eye(count, dtype=np.bool_), votes, votes + votes.T)
    grouped = column.group >= 0
    size = np.bincount(column.group[grouped], weights=drawn[grouped], minlength=count)
    squares = np.bincount(column.group[grouped], weights=drawn[grouped] ** 2, minlength=count)
    pairs = np.outer(size, size)
    np.fill_diagonal(pairs, (size * size - squares) / 2)
    return _shares(votes, pairs)


def _non_match_rates(column: _Column, genuine: GenuinePairs, cosine: float, drawn: Integers) -> Floats:
    """(groups,); NaN where a draw has nobody with two photos."""
    count = len(column.names)
    group = column.group[genuine.person]
    known = group >= 0
    votes = genuine.votes * drawn[genuine.person]
    below = known & (genuine.cosines < cosine)
    errors = np.bincount(group[below], weights=votes[below], minlength=count)
    total = np.bincount(group[known], weights=votes[known], minlength=count)
    return _shares(errors, total)


def _shares(parts: NDArray[Any], wholes: NDArray[Any]) -> Floats:
    """parts / wholes of one shape, NaN where a whole is 0. numpy counts nothing in whole numbers, hence float64."""
    shares: Floats = np.divide(parts, wholes, out=np.full(parts.shape, np.nan), where=wholes > 0)
    return shares


def _false_matches(
    column: _Column, a: int, b: int, fmr: float, value: float, samples: Floats
) -> FalseMatches:
    pairs = column.size(a) * (column.size(a) - 1) // 2 if a == b else column.size(a) * column.size(b)
    needed = int(np.ceil(ERRORS_NEEDED / fmr - 1e-9))
    rate = Rate.of(value, samples, pairs) if pairs >= needed else None
    return FalseMatches((column.names[a], column.names[b]), pairs, needed, rate)


def _false_non_matches(name: str, people: int, value: float, samples: Floats) -> FalseNonMatches:
    rate = Rate.of(value, samples, people) if people >= ERRORS_NEEDED else None
    return FalseNonMatches(name, people, ERRORS_NEEDED, rate)


def _differential(names: Sequence[str], rates: Sequence[Rate | None], samples: Floats) -> Differential:
    """samples: (R, groups) of the same rates."""
    shown = [at for at, rate in enumerate(rates) if rate is not None]
    if len(shown) < 2:
        return Differential((), f"{len(shown)} of {len(names)} groups are large enough; a ratio takes two")
    values = np.array([rate.value for rate in rates if rate is not None])
    if (values == 0).any():
        clean = ", ".join(names[at] for at, value in zip(shown, values, strict=True) if value == 0)
        return Differential(
            (), f"no error was counted for {clean}, and a geometric mean of 0 divides nothing"
        )
    ratios = values / np.exp(np.log(values).mean())
    own = samples[:, shown]
    own = np.where(own > 0, own, np.nan)  # a draw without an error has no geometric mean either
    sampled = own / np.exp(np.log(own).mean(axis=1, keepdims=True))
    return Differential(
        tuple(
            Ratio(names[group], float(ratios[at]), interval_of(sampled[:, at]))
            for at, group in enumerate(shown)
        ),
        "",
    )
