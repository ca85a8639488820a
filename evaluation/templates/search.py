"""Probe templates against a whole gallery, and the open-set figures as IJB tells them; builds no templates.

Terms as in NIST FRTE 1:N and in Maze et al., "IARPA Janus Benchmark - C: Face Dataset and Protocol", 2018: a mated
search is of a probe whose subject is in the gallery, its mate; TPIR is 1 - FNIR.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evaluation.identification.open_set import Float64, Searches, cmc, open_set_point


@dataclass(frozen=True)
class SearchPoint:
    """What a threshold does. Rates 0..1.

    fpir: the rate asked for; measured_fpir: reached, the share of non-mated searches with any candidate at or above
    the threshold, at most `fpir`. tpir: the share of mated searches whose best candidate is the mate, at or above the
    threshold. tpir_any_rank: the same wherever the mate stands among the candidates. supported: whether at least one
    non-mated search was allowed a candidate, so that the rate can be told from zero on this data.
    """

    fpir: float
    measured_fpir: float
    tpir: float
    tpir_any_rank: float
    threshold: float
    false_alarms: int
    supported: bool


def search(
    probes: NDArray[np.float32],
    probe_subjects: ArrayLike,
    gallery: NDArray[np.float32],
    gallery_subjects: ArrayLike,
    *,
    block: int = 1024,
) -> Searches:
    """Compares probes (P, D) with a gallery (G, D), unit rows, whose subjects are (P,) and (G,) int.

    `block` probes at a time: memory is about 13 * block * G bytes. ValueError for an empty side, rows that do not fit
    or are not finite.
    """
    of_probe, of_gallery = np.asarray(probe_subjects), np.asarray(gallery_subjects)
    _check(probes, of_probe, gallery, of_gallery)
    rank = np.zeros(len(probes), np.int64)
    mate, other = np.empty(len(probes)), np.empty(len(probes))
    for start in range(0, len(probes), block):
        chosen = slice(start, start + block)
        cosines = probes[chosen] @ gallery.T  # (B, G)
        # A product of two unit rows may pass 1 by a rounding.
        np.clip(cosines, -1.0, 1.0, out=cosines)
        is_mate = of_probe[chosen, None] == of_gallery[None, :]
        best = np.where(is_mate, cosines, -np.inf).max(axis=1)
        cosines[is_mate] = -np.inf
        mate[chosen], other[chosen] = best, cosines.max(axis=1)
        places = 1 + (cosines >= best[:, None]).sum(axis=1)
        rank[chosen] = np.where(is_mate.any(axis=1), places, 0)
    return Searches(of_probe.astype(np.int64), rank > 0, rank, mate, other)


def cumulative_match(searches: Searches, ranks: int) -> Float64:
    """(ranks,) 0..1: open_set.cmc. ValueError where no search is mated."""
    _require_mates(searches)
    return cmc(searches, ranks)


def tpir_at_fpir(searches: Searches, fpir: float) -> SearchPoint:
    """What open_set.open_set_point's threshold does. ValueError where either kind of search is missing."""
    point = open_set_point(searches, fpir)
    _require_mates(searches)
    return SearchPoint(
        fpir=fpir,
        measured_fpir=point.measured_fpir,
        tpir=float(np.mean(searches.hits(1) >= point.threshold)),
        tpir_any_rank=float(np.mean(searches.mate[searches.mated] >= point.threshold)),
        threshold=point.threshold,
        false_alarms=point.false_positives,
        supported=point.supported,
    )


def _require_mates(searches: Searches) -> None:
    if not searches.mated.any():
        raise ValueError("a figure of mates needs at least one probe whose subject is in the gallery")


def _check(
    probes: NDArray[np.float32],
    probe_subjects: NDArray[np.int64],
    gallery: NDArray[np.float32],
    gallery_subjects: NDArray[np.int64],
) -> None:
    for name, rows, subjects in (
        ("probes", probes, probe_subjects),
        ("the gallery", gallery, gallery_subjects),
    ):
        if rows.ndim != 2 or len(rows) == 0 or rows.shape[1] != probes.shape[1]:
            raise ValueError(
                f"{name} must be rows of {probes.shape[-1]} dimensions, one at least; found {rows.shape}"
            )
        if subjects.shape != (len(rows),):
            raise ValueError(f"{name}: {len(rows)} rows need as many subjects, not {subjects.shape}")
        if not np.isfinite(rows).all():
            raise ValueError(f"{name} hold a row that is not finite")
