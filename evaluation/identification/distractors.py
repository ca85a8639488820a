"""Rank of a mate among ever more distractors, counted in one pass over them; embeds nothing, keeps no distractor.

MegaFace challenge 1 (Kemelmacher-Shlizerman, Seitz, Miller, Brossard, "The MegaFace benchmark", CVPR 2016): of every
two photos of one person, in both orders, one is the probe and the other alone joins the distractors; the person's
other photos are not in the gallery. A mate's rank is one more than the number of distractors whose cosine with the
probe is not below the mate's. So these counts, kept for each pair and each nested subset of the distractors, give
every rank-k rate exactly, whatever the number of distractors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.all_pairs.impostors import require_finite
from evaluation.identification.open_set import Float64, Int64, Searches
from index.template import Float32

TIED = 1e-6
"""Products of two unit rows in float32 differ by less with the order of their sums: cosines this close are tied."""
ROWS_AT_ONCE = 16_384
PROBES_AT_ONCE = 512


@dataclass(frozen=True)
class MatePairs:
    """Every ordered pair of two photos of one person, by probe. All (M,).

    probe, mate: int64 numbers of rows; cosines: float64, -1..1. people: (P,) int64, the person of every row.
    """

    probe: Int64
    mate: Int64
    cosines: Float64
    people: Int64


@dataclass(frozen=True)
class Stronger:
    """Distractors that stand before a mate, in S orders of the distractors and T nested subsets of each.

    sizes: rising. stronger: (S, T, M) int32, distractors of the subset whose cosine with the probe is not below the
    mate's. strongest: (S, T, P) float32, the highest cosine of any distractor of the subset with each probe. Both
    orders of counting are exact but for TIED.
    """

    sizes: tuple[int, ...]
    seeds: tuple[int, ...]
    stronger: NDArray[np.int32]
    strongest: NDArray[np.float32]


def mate_pairs(rows: Float32, people: Int64) -> MatePairs:
    """The pairs of unit rows (P, D) whose persons (P,) are known. ValueError where nobody has two photos."""
    if rows.ndim != 2 or people.shape != (len(rows),):
        raise ValueError(f"rows of shape {rows.shape} do not go with persons of shape {people.shape}")
    order = np.argsort(people, kind="stable")
    _, first, photos = np.unique(people[order], return_index=True, return_counts=True)
    probes, mates = [], []
    for start, count in zip(first, photos, strict=True):
        mine = order[start : start + count]
        one, other = np.nonzero(~np.eye(count, dtype=bool))
        probes.append(mine[one])
        mates.append(mine[other])
    probe, mate = np.concatenate(probes), np.concatenate(mates)
    if not probe.size:
        raise ValueError(
            f"none of the {len(first)} people has two photos; a mate is a second photo of one person"
        )
    by_probe = np.lexsort((mate, probe))
    probe, mate = probe[by_probe], mate[by_probe]
    return MatePairs(probe, mate, _cosines(rows, probe, mate), people.astype(np.int64))


def nested_sizes(distractors: int) -> tuple[int, ...]:
    """10, 100, ... below the number of distractors, and that number."""
    if distractors < 1:
        raise ValueError("there is no distractor; a gallery needs somebody to be mistaken for")
    powers = [10**power for power in range(1, 19) if 10**power < distractors]
    return (*powers, distractors)


def count_stronger(
    rows: Float32,
    pairs: MatePairs,
    distractors: Iterable[Float32],
    sizes: Sequence[int],
    seeds: Sequence[int] = (0,),
    *,
    progress: Callable[[int], None] | None = None,
) -> Stronger:
    """One pass over blocks (B, D) of unit rows, as many altogether as the last of `sizes`.

    Each seed puts the distractors into an order of its own, and a subset is the beginning of that order, so that the
    subsets of one seed are nested; the largest is the same for all. Memory: a block's scores, the counts, and 8 bytes
    for each seed and distractor. ValueError for another number of rows, or one that is not finite.
    """
    subsets = _Subsets(tuple(sizes), tuple(seeds))
    ladder = _Ladder(pairs, len(rows))
    stronger = np.zeros((len(seeds), len(sizes), len(pairs.probe)), np.int32)
    strongest = np.full((len(seeds), len(sizes), len(rows)), -np.inf, np.float32)
    done = 0
    for block in _portions(distractors):
        _require_rows(block, rows.shape[1], done, subsets.total)
        slices = [subsets.steps(seed, done, len(block)) for seed in range(len(seeds))]
        for start in range(0, len(rows), PROBES_AT_ONCE):
            part = slice(start, min(start + PROBES_AT_ONCE, len(rows)))
            scores = rows[part] @ block.T  # (b, B)
            for seed, steps in enumerate(slices):
                for step, columns in enumerate(steps):
                    if columns.size:
                        mine = np.ascontiguousarray(scores[:, columns])
                        ladder.count(mine, part, stronger[seed, step], strongest[seed, step])
            ladder.count(scores, part, stronger[0, -1], strongest[0, -1])
        done += len(block)
        if progress is not None:
            progress(len(block))
    if done != subsets.total:
        raise ValueError(f"there were {done} distractors; the largest subset holds {subsets.total}")
    stronger[:, -1], strongest[:, -1] = stronger[0, -1], strongest[0, -1]
    stronger[:, :-1] = np.cumsum(stronger[:, :-1], axis=1)
    strongest[:, :-1] = np.maximum.accumulate(strongest[:, :-1], axis=1)
    return Stronger(subsets.sizes, subsets.seeds, stronger, np.clip(strongest, -1.0, 1.0))


def searches_among(pairs: MatePairs, counted: Stronger, seed: int, step: int) -> Searches:
    """The searches of one subset: every pair as a mated probe, and every photo without its mates as a stranger.

    seed, step: places in `counted.seeds` and `counted.sizes`. The mate of a pair and the subset are the gallery of a
    mated search, the subset alone that of a stranger's.
    """
    before = counted.stronger[seed, step].astype(np.int64)
    strongest = counted.strongest[seed, step].astype(np.float64)
    photos, other = len(pairs.people), strongest[pairs.probe]
    # Tied within rounding is a tie: the strongest distractor then stands at the mate's own cosine.
    other = np.where(before > 0, np.maximum(other, pairs.cosines), other)
    return Searches(
        people=np.concatenate([pairs.people[pairs.probe], pairs.people]),
        mated=np.repeat([True, False], [len(pairs.probe), photos]),
        rank=np.concatenate([before + 1, np.zeros(photos, np.int64)]),
        mate=np.concatenate([pairs.cosines, np.full(photos, -np.inf)]),
        other=np.concatenate([other, strongest]),
    )


class _Subsets:
    """Which distractors are new in which subset. total: of all of them."""

    def __init__(self, sizes: tuple[int, ...], seeds: tuple[int, ...]) -> None:
        if not sizes or sizes[0] < 1 or list(sizes) != sorted(set(sizes)):
            raise ValueError(f"sizes of subsets rise from 1 or more; they are {sizes}")
        if not seeds or len(set(seeds)) != len(seeds):
            raise ValueError(f"seeds are one or more, each once; they are {seeds}")
        self.sizes, self.seeds, self.total = sizes, seeds, sizes[-1]
        self._places = [np.random.default_rng(seed).permutation(self.total) for seed in seeds]

    def steps(self, seed: int, start: int, count: int) -> list[Int64]:
        """For each subset but the largest, the numbers within the block that are in it and in no smaller one."""
        places = self._places[seed][start : start + count]
        step = np.searchsorted(np.array(self.sizes), places, side="right")
        return [np.flatnonzero(step == at) for at in range(len(self.sizes) - 1)]


class _Ladder:
    """Every probe's mates by cosine, so that one sorted line of scores is counted at all of them together."""

    def __init__(self, pairs: MatePairs, probes: int) -> None:
        self._order = np.lexsort((pairs.cosines, pairs.probe))
        self._rungs = (pairs.cosines[self._order] - TIED).astype(np.float32)
        self._starts = np.searchsorted(pairs.probe, np.arange(probes + 1))

    def count(
        self, scores: Float32, part: slice, stronger: NDArray[np.int32], strongest: NDArray[np.float32]
    ) -> None:
        """Adds what the scores (b, B) of the probes of `part` hold to `stronger` (M,) and `strongest` (P,).

        Leaves the scores sorted.
        """
        scores.sort(axis=1)
        np.maximum(strongest[part], scores[:, -1], out=strongest[part])
        for probe, line in enumerate(scores, start=part.start):
            rungs = slice(self._starts[probe], self._starts[probe + 1])
            stronger[self._order[rungs]] += (line.size - np.searchsorted(line, self._rungs[rungs])).astype(
                np.int32
            )


def _portions(blocks: Iterable[Float32]) -> Iterable[Float32]:
    for block in blocks:
        for start in range(0, len(block), ROWS_AT_ONCE):
            yield block[start : start + ROWS_AT_ONCE]


def _require_rows(block: Float32, dimension: int, done: int, total: int) -> None:
    if block.ndim != 2 or block.shape[1] != dimension:
        raise ValueError(f"distractors of shape {block.shape} do not go with probes of dimension {dimension}")
    if done + len(block) > total:
        raise ValueError(f"there are more distractors than the {total} of the largest subset")
    finite = np.isfinite(block).all(axis=1)
    if not finite.all():
        raise ValueError(f"distractor {done + int(np.argmin(finite))} is not finite")


def _cosines(rows: Float32, left: Int64, right: Int64) -> Float64:
    """(M,) cosines of pairs of rows; ValueError for a row that is not finite."""
    require_finite(rows)
    cosines = np.empty(len(left))
    for start in range(0, len(left), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        cosines[part] = np.einsum("md,md->m", rows[left[part]].astype(np.float64), rows[right[part]])
    return np.clip(cosines, -1.0, 1.0)
