"""The faces of one identity: which belong together, and which do not belong. Arrays in, arrays out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.curation.levels import Levels

Places = NDArray[np.int64]
"""(k,) places among the rows of one identity, ascending."""

REFERENCES = 512
"""Rows of an identity that its others are held against: the work then grows with the rows, not with their square."""


@dataclass(frozen=True)
class Stray:
    """A face unlike the rest of its identity. cosine: median with the rest. agree: median among the rest."""

    place: int
    cosine: float
    agree: float


@dataclass(frozen=True)
class Household:
    """One identity's faces.

    groups: of faces that may be compared with other identities', largest first; none overlap. Two or more: the
    identity is of several people, unless `doubtful`. strays: faces that belong to no group, while the others
    agree. doubtful: the faces do not agree and too few agree to say who is wrong; each is then a group.
    between: the largest median cosine between the first group and another.
    """

    groups: tuple[Places, ...]
    strays: tuple[Stray, ...] = ()
    doubtful: bool = False
    between: float = 1.0


def household(rows: NDArray[np.float32], levels: Levels) -> Household:
    """rows: (n, D) float32, unit, n >= 1."""
    count = len(rows)
    everything = np.arange(count, dtype=np.int64)
    if count == 1:
        return Household((everything,))
    references = everything if count <= REFERENCES else np.linspace(0, count - 1, REFERENCES).astype(np.int64)
    to_all = rows @ rows[references].T  # (n, r)
    to_all[references, np.arange(len(references))] = np.nan
    if float(np.nanmedian(to_all, axis=1).min()) >= levels.stranger:
        return Household((everything,))
    seen = np.nan_to_num(to_all[references], nan=1.0)
    clusters = [references[cluster] for cluster in linked(seen, levels.stranger)]
    if count > REFERENCES:
        clusters = _assigned(rows, clusters, levels)
    return _judged(rows, clusters, levels)


def linked(cosines: NDArray[np.float32], cut: float) -> list[Places]:
    """Average linkage: groups of the rows of (n, n) cosines, largest first, no two with a mean above `cut`."""
    count = len(cosines)
    sums = cosines.astype(np.float64)
    sizes = np.ones(count)
    members = [[place] for place in range(count)]
    np.fill_diagonal(sums, -np.inf)
    while True:
        means = sums / (sizes[:, None] * sizes[None, :])
        one, other = divmod(int(np.argmax(means)), count)
        if means[one, other] < cut or not np.isfinite(means[one, other]):
            break
        sums[one] += sums[other]
        sums[:, one] = sums[one]
        sums[one, one] = -np.inf
        sums[other], sums[:, other] = -np.inf, -np.inf
        sizes[one] += sizes[other]
        members[one] += members[other]
        members[other] = []
    kept = sorted((sorted(group) for group in members if group), key=lambda group: (-len(group), group))
    return [np.array(group, np.int64) for group in kept]


def median_between(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """The median cosine of all pairs of (n, D) with (m, D)."""
    return float(np.median(one @ other.T))


def median_within(rows: NDArray[np.float32]) -> float:
    """The median cosine of all pairs of different rows of (n, D); 1 for a single row."""
    if len(rows) < 2:
        return 1.0
    return float(np.median((rows @ rows.T)[np.triu_indices(len(rows), 1)]))


def _judged(rows: NDArray[np.float32], clusters: list[Places], levels: Levels) -> Household:
    groups: list[Places] = []
    rest: list[Places] = []
    for cluster in clusters:
        agrees = len(cluster) > 1 and median_within(rows[cluster[:REFERENCES]]) >= levels.agree
        (groups if agrees else rest).append(cluster)
    alone = np.concatenate(rest) if rest else np.array([], np.int64)
    if not groups or (alone.size and 2 * sum(len(group) for group in groups) < len(rows)):
        doubtful = (*groups, *(np.array([place], np.int64) for place in alone.tolist()))
        return Household(doubtful, doubtful=len(doubtful) > 1)
    main = rows[groups[0][:REFERENCES]]
    agree = median_within(main)
    strays, near = [], []
    for place in sorted(alone.tolist()):
        cosine = median_between(rows[place : place + 1], main)
        if cosine < levels.stranger:
            strays.append(Stray(place, cosine, agree))
        else:
            near.append(place)
    if near:
        groups[0] = np.sort(np.concatenate([groups[0], np.array(near, np.int64)]))
    between = max((median_between(main, rows[group[:REFERENCES]]) for group in groups[1:]), default=1.0)
    return Household(tuple(groups), tuple(strays), between=between)


def _assigned(rows: NDArray[np.float32], clusters: list[Places], levels: Levels) -> list[Places]:
    """The clusters of some rows with every other row added to the one it is nearest to, or alone."""
    placed = np.concatenate(clusters)
    rest = np.setdiff1d(np.arange(len(rows)), placed)
    means = np.stack([rows[rest] @ rows[cluster].mean(axis=0) for cluster in clusters], axis=1)
    best = means.argmax(axis=1)
    fits = means.max(axis=1) >= levels.stranger
    grown = [
        np.sort(np.concatenate([cluster, rest[fits & (best == at)]])) for at, cluster in enumerate(clusters)
    ]
    grown += [np.array([place], np.int64) for place in rest[~fits].tolist()]
    return sorted(grown, key=lambda group: (-len(group), int(group[0])))
