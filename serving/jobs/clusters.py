"""Groups faces of nobody known by their likeness; knows arrays, no gallery.

Pairs are taken from the most alike down, and two groups become one where their mean templates are alike too. A chain of
pairs alone does not join: its ends pull the means apart. This is agglomerative clustering by the centroids' cosine,
except that the order is that of single pairs; the same input gives the same groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.template import Float32

BLOCK_CELLS = 1 << 22


@dataclass(frozen=True)
class Alike:
    """What is to be grouped. members: how each unit row (N, D) is named, as JSON. pairs, cosines: as `clusters` takes
    them.
    """

    members: Sequence[Any]
    rows: Float32
    pairs: NDArray[np.int64]
    cosines: NDArray[np.float64]


def clusters(
    rows: Float32, pairs: NDArray[np.int64], cosines: NDArray[np.float64], threshold: float
) -> list[list[int]]:
    """Positions of unit rows (N, D) in groups, each ascending, by their first one; who is alone is a group of one.

    pairs: (P, 2), left < right, those with a cosine (P,) of at least `threshold`; others are not looked at.
    """
    parent = np.arange(len(rows))
    sums = rows.astype(np.float64)
    order = np.lexsort((pairs[:, 1], pairs[:, 0], -cosines))
    for left, right in pairs[order].tolist():
        kept, gone = _root(parent, left), _root(parent, right)
        if kept == gone or not _alike(sums[kept], sums[gone], threshold):
            continue
        if gone < kept:
            kept, gone = gone, kept
        parent[gone] = kept
        sums[kept] += sums[gone]
    groups: dict[int, list[int]] = {}
    for place in range(len(rows)):
        groups.setdefault(_root(parent, place), []).append(place)
    return list(groups.values())


def alike_pairs(rows: Float32, threshold: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Every pair (P, 2), left < right, of unit rows (N, D) with a cosine of at least `threshold`, and these (P,)."""
    block = max(1, BLOCK_CELLS // max(1, len(rows)))
    pairs, cosines = [np.empty((0, 2), np.int64)], [np.empty(0, np.float32)]
    for start in range(0, len(rows), block):
        scores = rows[start : start + block] @ rows[start:].T
        left, right = np.nonzero(scores >= threshold)
        upper = left < right
        pairs.append(np.stack([left[upper], right[upper]], axis=1) + start)
        cosines.append(scores[left[upper], right[upper]])
    return np.concatenate(pairs), np.concatenate(cosines).astype(np.float64)


def _root(parent: NDArray[np.int64], place: int) -> int:
    while parent[place] != place:
        parent[place] = parent[parent[place]]
        place = int(parent[place])
    return place


def _alike(one: NDArray[np.float64], other: NDArray[np.float64], threshold: float) -> bool:
    lengths = np.linalg.norm(one) * np.linalg.norm(other)
    return bool(one @ other >= threshold * lengths)
