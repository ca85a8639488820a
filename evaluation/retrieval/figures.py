"""Where each probe's mates stand among a ranked gallery, and the figures of that: rank-k, mAP, mAP@R, R-precision.

It knows no image, model or data set. A mate is a gallery image of the probe's identity that counts: not the probe's own
image, and where cameras are known not of the probe's camera. Images of the probe's identity that do not count are left
out of its ranking; all others are wrong. Definitions: cumulative matches and average precision as in Zheng et al.,
"Scalable Person Re-identification", ICCV 2015; mAP@R and R-precision as in Musgrave, Belongie, Lim, "A Metric Learning
Reality Check", ECCV 2020.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.resampling import RESAMPLES, Interval, interval_of, people_draws

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

TIE = 1e-6
"""Cosines no further apart are ties. The float32 product of two rows moves by about 1e-7 with its place in a block, so
that without it copies of one image would be ranked by chance."""

FEW = 16
"""Up to so many thresholds, counting for each is faster than sorting a row of 60,000."""


@dataclass(frozen=True)
class LabelledRows:
    """embeddings: (N, D) float32 unit rows. identity, image, camera: (N,) integers; two rows with one `image` are one
    image. camera: None where cameras are not known.
    """

    embeddings: NDArray[np.float32]
    identity: Ints
    image: Ints
    camera: Ints | None = None


@dataclass(frozen=True)
class ProbeFigures:
    """One entry a probe. mates: (P,) int64, how many count. first: (P,) int64, the rank of the first of them, 1
    upwards; 0 without mates. The rest are (P,) float64, 0..1, NaN without mates.

    With the mates at the ranks r_1 < ... < r_R: average_precision is the mean of k / r_k. trapezoid takes for k / r_k
    the mean of it and the precision one rank before, (k - 1) / (r_k - 1), which is 1 before rank 1; so does the
    evaluation code that came with Market-1501. r_precision is the share of mates with r_k <= R, and
    average_precision_at_r the sum of k / r_k over these, divided by R.
    """

    mates: Ints
    first: Ints
    average_precision: Floats
    trapezoid: Floats
    r_precision: Floats
    average_precision_at_r: Floats


@dataclass(frozen=True)
class RetrievalFigures:
    """Means over the probes that have a mate; all 0..1.

    probes: how many those are. without_mate: probes without, which count nowhere. identities: of the probes that count.
    at_rank: k -> share of probes with a mate among the first k. cumulative: (K,) the same for k = 1..K. intervals: by a
    bootstrap over the probes' identities, None where there is only one of them.
    """

    probes: int
    without_mate: int
    gallery: int
    identities: int
    at_rank: dict[int, float]
    cumulative: Floats
    mean_average_precision: float
    mean_trapezoid: float
    r_precision: float
    map_at_r: float
    rank1_interval: Interval | None
    map_interval: Interval | None


def probe_figures(
    probes: LabelledRows,
    gallery: LabelledRows,
    *,
    tie: float = TIE,
    block: int = 256,
    progress: Callable[[int], None] | None = None,
) -> ProbeFigures:
    """Ranks the gallery for every probe by cosine, `block` probes at a time; memory beside the rows is about
    block * N * 5 bytes.

    A wrong image whose cosine is at most `tie` below a mate's stands before that mate: ties go against the probe.
    `progress` is called with the probes done after each block. ValueError for rows that are not finite or not of unit
    length, arrays that do not fit, an empty side, or cameras on one side only.
    """
    _check(probes, "probe")
    _check(gallery, "gallery row")
    if probes.embeddings.shape[1] != gallery.embeddings.shape[1]:
        raise ValueError(
            f"probes have {probes.embeddings.shape[1]} dimensions, the gallery {gallery.embeddings.shape[1]}"
        )
    if (probes.camera is None) != (gallery.camera is None):
        raise ValueError("cameras are known on one side only; both need them, or neither")
    order = np.argsort(gallery.identity, kind="stable")
    begins, ends = (
        np.searchsorted(gallery.identity[order], probes.identity, side) for side in ("left", "right")
    )
    count = len(probes.embeddings)
    mates, first = np.zeros(count, np.int64), np.zeros(count, np.int64)
    shares = np.full((4, count), np.nan)
    room = np.empty((min(block, count), len(gallery.embeddings)), np.float32)  # (B, N)
    for start in range(0, count, block):
        stop = min(start + block, count)
        # One array for all blocks; a new one each time would stand beside the last.
        cosines = np.matmul(probes.embeddings[start:stop], gallery.embeddings.T, out=room[: stop - start])
        for at in range(start, stop):
            own = order[begins[at] : ends[at]]  # every gallery image of the probe's identity
            ranks = mate_ranks(cosines[at - start], own, _counts(probes, at, gallery, own), tie)
            mates[at] = ranks.size
            if ranks.size:
                first[at] = ranks[0]
                shares[:, at] = _shares(ranks)
        if progress is not None:
            progress(stop - start)
    return ProbeFigures(mates, first, *shares)


def mate_ranks(scores: NDArray[np.float32], own: Ints, counts: NDArray[np.bool_], tie: float = TIE) -> Ints:
    """The ranks of one probe's mates, 1 upwards and rising.

    scores: (N,) over the gallery. own: (M,) positions of the probe's identity; counts: (M,) which of them are mates.
    """
    of_own = scores[own]
    ranked = np.sort(of_own[counts])[::-1]
    thresholds = ranked - np.float32(tie)
    wrong = _at_or_above(scores, thresholds) - _at_or_above(of_own, thresholds)
    ranks: Ints = np.arange(1, ranked.size + 1) + wrong
    return ranks


def retrieval_figures(
    per_probe: ProbeFigures,
    identity: Ints,
    gallery: int,
    ranks: Sequence[int],
    *,
    curve: int = 50,
    resamples: int = RESAMPLES,
    seed: int = 1,
) -> RetrievalFigures:
    """The means over all probes with a mate. identity: (P,) of each probe. gallery: its size. curve: how far
    `cumulative` goes at least. ValueError where no probe has a mate.
    """
    counted = per_probe.mates > 0
    if not counted.any():
        raise ValueError(f"none of {counted.size} probes has a mate in the gallery of {gallery}")
    first, precision = per_probe.first[counted], per_probe.average_precision[counted]
    length = max(curve, *ranks)
    by_rank = np.bincount(np.minimum(first, length + 1), minlength=length + 2)
    cumulative = np.cumsum(by_rank[1 : length + 1]) / first.size
    intervals = identity_intervals(
        np.stack([first == 1, precision], axis=1), identity[counted], resamples=resamples, seed=seed
    )
    return RetrievalFigures(
        probes=first.size,
        without_mate=int((~counted).sum()),
        gallery=gallery,
        identities=np.unique(identity[counted]).size,
        at_rank={rank: float(cumulative[rank - 1]) for rank in ranks},
        cumulative=cumulative,
        mean_average_precision=float(precision.mean()),
        mean_trapezoid=float(per_probe.trapezoid[counted].mean()),
        r_precision=float(per_probe.r_precision[counted].mean()),
        map_at_r=float(per_probe.average_precision_at_r[counted].mean()),
        rank1_interval=None if intervals is None else intervals[0],
        map_interval=None if intervals is None else intervals[1],
    )


def identity_intervals(
    values: NDArray[np.float64], identity: Ints, *, resamples: int = RESAMPLES, seed: int = 1
) -> tuple[Interval, ...] | None:
    """A 95 % interval for the mean of each column of values (P, F): the percentile bootstrap, drawing whole identities
    with all their probes, since probes of one person succeed and fail together. None with fewer than two identities.
    """
    _, group, sizes = np.unique(identity, return_inverse=True, return_counts=True)
    if sizes.size < 2:
        return None
    sums = np.stack([np.bincount(group, weights=column, minlength=sizes.size) for column in values.T], axis=1)
    means = np.stack(
        [(drawn @ sums) / (drawn @ sizes) for drawn in people_draws(sizes.size, resamples, seed)]
    )
    return tuple(interval_of(column) for column in means.T)


def _at_or_above(scores: NDArray[np.float32], thresholds: NDArray[np.float32]) -> Ints:
    """How many scores reach each threshold."""
    if thresholds.size <= FEW:
        return np.array([np.count_nonzero(scores >= threshold) for threshold in thresholds], np.int64)
    reached: Ints = scores.size - np.searchsorted(np.sort(scores), thresholds)
    return reached


def _counts(probes: LabelledRows, at: int, gallery: LabelledRows, own: Ints) -> NDArray[np.bool_]:
    counts: NDArray[np.bool_] = gallery.image[own] != probes.image[at]
    if probes.camera is not None and gallery.camera is not None:
        counts &= gallery.camera[own] != probes.camera[at]
    return counts


def _shares(ranks: Ints) -> tuple[float, float, float, float]:
    """The four last entries of ProbeFigures, in their order, from ranks (R,), R >= 1."""
    place = np.arange(1, ranks.size + 1)
    precision = place / ranks
    before = np.where(ranks > 1, (place - 1) / np.maximum(ranks - 1, 1), 1.0)
    within = int(np.searchsorted(ranks, ranks.size, side="right"))
    return (
        float(precision.mean()),
        float((precision + before).mean() / 2),
        within / ranks.size,
        float(precision[:within].sum()) / ranks.size,
    )


def _check(rows: LabelledRows, what: str) -> None:
    shape = rows.embeddings.shape
    if len(shape) != 2 or shape[0] == 0 or rows.embeddings.dtype != np.float32:
        raise ValueError(
            f"embeddings must be (N, D) float32 with a {what} at least; they are {rows.embeddings.dtype} {shape}"
        )
    labels = [rows.identity, rows.image, *([] if rows.camera is None else [rows.camera])]
    if any(label.shape != shape[:1] or label.dtype.kind != "i" for label in labels):
        raise ValueError(f"identity, image and camera must be ({shape[0]},) integers, one for each {what}")
    squares = np.einsum("nd,nd->n", rows.embeddings, rows.embeddings)
    wrong = np.flatnonzero(~(np.abs(squares - 1.0) < 2e-3))
    if wrong.size:
        raise ValueError(
            f"{what} {wrong[0]} has length {np.sqrt(squares[wrong[0]]):.4g}; every row must be a unit vector"
        )
