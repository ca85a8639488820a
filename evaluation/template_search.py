"""One-to-many figures from all scores of probe templates against a gallery: CMC and TPIR at FPIR; builds no templates.

Terms as in NIST FRTE 1:N and in Maze et al., "IARPA Janus Benchmark - C: Face Dataset and Protocol", 2018: a mated
search is of a probe whose subject is in the gallery, its mate; TPIR is 1 - FNIR.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Searches:
    """Every probe against one gallery.

    mate_rank: (P,) int64, the place of the best template of the probe's subject: 1 and how many templates of others
    score as high or higher, so that a tie never flatters; 0 where the subject is not in the gallery. mate_score: (P,)
    float64, that template's cosine, -inf where there is none. other_score: (P,) float64, the highest cosine of anybody
    else, -inf where nobody else is there.
    """

    mate_rank: NDArray[np.int64]
    mate_score: NDArray[np.float64]
    other_score: NDArray[np.float64]

    @property
    def mated(self) -> NDArray[np.bool_]:
        """(P,): whether the probe's subject is in the gallery."""
        has_mate: NDArray[np.bool_] = self.mate_rank > 0
        return has_mate


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
    mate_score = np.empty(len(probes))
    other_score = np.empty(len(probes))
    for start in range(0, len(probes), block):
        chosen = slice(start, start + block)
        cosines = probes[chosen] @ gallery.T  # (B, G)
        is_mate = of_probe[chosen, None] == of_gallery[None, :]
        best = np.where(is_mate, cosines, -np.inf).max(axis=1)
        cosines[is_mate] = -np.inf
        mate_score[chosen], other_score[chosen] = best, cosines.max(axis=1)
        places = 1 + (cosines >= best[:, None]).sum(axis=1)
        rank[chosen] = np.where(is_mate.any(axis=1), places, 0)
    return Searches(rank, mate_score, other_score)


def cumulative_match(searches: Searches, ranks: int) -> NDArray[np.float64]:
    """(ranks,) 0..1: the share of mated searches whose mate stands at place 1, 2, ... or before, the closed-set CMC.

    ValueError where no search is mated.
    """
    found = searches.mate_rank[searches.mated]
    if found.size == 0:
        raise ValueError("a closed-set figure needs at least one probe whose subject is in the gallery")
    counts = np.bincount(np.minimum(found, ranks + 1), minlength=ranks + 2)
    shares: NDArray[np.float64] = np.cumsum(counts[1 : ranks + 1]) / found.size
    return shares


def tpir_at_fpir(searches: Searches, fpir: float) -> SearchPoint:
    """The lowest threshold at which at most the share `fpir` (0..1) of the non-mated searches has a candidate.

    It lies just above the first score that must not pass; -1, where all may. ValueError where either kind of search is
    missing.
    """
    if not 0.0 <= fpir <= 1.0:
        raise ValueError(f"a false positive identification rate lies in 0..1; {fpir} was asked for")
    mated = searches.mated
    strangers = np.sort(searches.other_score[~mated])[::-1]
    if not mated.any() or strangers.size == 0:
        kind = "subject is in the gallery" if strangers.size else "subject is not in the gallery"
        raise ValueError(f"an open-set figure needs at least one probe whose {kind}")
    allowed = int(np.floor(fpir * strangers.size + 1e-9))
    threshold = -1.0 if allowed >= strangers.size else float(np.nextafter(strangers[allowed], np.inf))
    false_alarms = int((strangers >= threshold).sum())
    passes = searches.mate_score[mated] >= threshold
    return SearchPoint(
        fpir=fpir,
        measured_fpir=false_alarms / strangers.size,
        tpir=float(np.mean(passes & (searches.mate_rank[mated] == 1))),
        tpir_any_rank=float(np.mean(passes)),
        threshold=threshold,
        false_alarms=false_alarms,
        supported=allowed >= 1,
    )


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
