"""One-to-many figures of many searches: CMC, FNIR over FPIR, and the thresholds for it; it searches nothing itself.

Terms as in NIST FRTE 1:N (Grother, Ngan, Hanaoka, NISTIR 8271) and in evaluation/identification/best_candidate.py,
whose figures are those of rank 1 here: a mated probe shows an enrolled person, a non-mated probe a stranger. FNIR(N, R,
T) is the share of mated searches of a gallery of N whose person is not among the first R candidates with a cosine of at
least T, FPIR(N, T) the share of non-mated searches with any candidate of at least T. Every probe counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]

FPIRS = (1e-1, 1e-2, 1e-3)


@dataclass(frozen=True)
class Searches:
    """Searches of one gallery, one entry a probe, all (P,). ValueError says which entry is wrong.

    people: int64, the person a probe shows. mated: bool, whether that person is enrolled. rank: int64, the place of
    the best mate among the candidates, 1 the first; 0 where it is not among them, as with every non-mated probe.
    mate, other: float64, -1..1, cosines of the best mate and of the best candidate who is somebody else; -inf where
    there is none. depth: how many candidates a search could return; None where it returned the whole gallery.

    A tie counts against the mate: of rank 1 is only a mate above everybody else.
    """

    people: Int64
    mated: NDArray[np.bool_]
    rank: Int64
    mate: Float64
    other: Float64
    depth: int | None = None

    def __post_init__(self) -> None:
        _check(self)

    def hits(self, rank: int) -> Float64:
        """(mated,) cosines of the mates among the first `rank` candidates, -inf for the probes without."""
        self.require_depth(rank)
        place = self.rank[self.mated]
        cosines: Float64 = np.where((place >= 1) & (place <= rank), self.mate[self.mated], -np.inf)
        return cosines

    def strangers(self) -> Float64:
        """(non-mated,) cosines of their best candidates, -inf for the probes without."""
        cosines: Float64 = self.other[~self.mated]
        return cosines

    def require_depth(self, rank: int) -> None:
        """ValueError where the searches cannot tell who stood at that place."""
        if rank < 1:
            raise ValueError(f"ranks begin at 1; {rank} was asked for")
        if self.depth is not None and rank > self.depth:
            raise ValueError(
                f"rank {rank} was asked for, the searches returned {self.depth} candidates at most; search deeper"
            )


@dataclass(frozen=True)
class OpenSetPoint:
    """What a threshold costs. Rates 0..1, NaN where their kind of probe is absent.

    fpir: the rate asked for; measured_fpir: the rate reached, at most `fpir`. false_positives: non-mated probes with
    a candidate at or above the threshold. supported: whether at least one non-mated probe was allowed to pass, so
    that the rate asked for could be told from zero on this data.
    """

    fpir: float
    measured_fpir: float
    fnir: float
    threshold: float
    false_positives: int
    supported: bool


@dataclass(frozen=True)
class Det:
    """Every operating point from the strictest to the loosest, (Q,) float64 each.

    thresholds: falling, the first +inf. fpir never falls, fnir never rises.
    """

    thresholds: Float64
    fpir: Float64
    fnir: Float64


def rank_rate(searches: Searches, rank: int) -> float:
    """The share of mated probes whose person is among the first `rank` candidates, at any cosine; NaN without any."""
    hits = searches.hits(rank)
    return float(np.mean(hits > -np.inf)) if hits.size else float("nan")


def rank_rate_of_people(searches: Searches, rank: int) -> float:
    """The same with one vote for each person, shared by all their mated probes."""
    hits = searches.hits(rank) > -np.inf
    if not hits.size:
        return float("nan")
    _, person, probes = np.unique(searches.people[searches.mated], return_inverse=True, return_counts=True)
    return float(np.mean(np.bincount(person, weights=hits) / probes))


def cmc(searches: Searches, deepest: int) -> Float64:
    """Cumulative match characteristic: (deepest,) rates of ranks 1, 2, ... ; NaN without a mated probe."""
    searches.require_depth(deepest)
    places = searches.rank[searches.mated]
    if not places.size:
        return np.full(deepest, np.nan)
    counts = np.bincount(np.minimum(places, deepest + 1), minlength=deepest + 2)
    rates: Float64 = np.cumsum(counts[1 : deepest + 1]) / places.size
    return rates


def fnir_at(searches: Searches, threshold: float, rank: int = 1) -> float:
    """FNIR(N, rank, threshold), 0..1; NaN without a mated probe."""
    hits = searches.hits(rank)
    missed = (hits < threshold) | (hits == -np.inf)
    return float(np.mean(missed)) if hits.size else float("nan")


def fpir_at(searches: Searches, threshold: float) -> float:
    """FPIR(N, threshold), 0..1; NaN without a non-mated probe."""
    strangers = searches.strangers()
    found = (strangers >= threshold) & (strangers > -np.inf)
    return float(np.mean(found)) if strangers.size else float("nan")


def open_set_point(searches: Searches, fpir: float, rank: int = 1) -> OpenSetPoint:
    """The lowest threshold at which at most the share `fpir` (0..1) of the non-mated probes gets a candidate.

    It lies just above the cosine of the first stranger that must not pass; -1 where all of them may. ValueError
    without a non-mated probe.
    """
    strangers = searches.strangers()
    allowed = allowed_to_pass(fpir, float(strangers.size))
    found = np.sort(strangers[strangers > -np.inf])[::-1]
    threshold = -1.0 if allowed >= found.size else float(np.nextafter(found[allowed], np.inf))
    passed = int(np.count_nonzero(found >= threshold))
    return OpenSetPoint(
        fpir=fpir,
        measured_fpir=passed / strangers.size,
        fnir=fnir_at(searches, threshold, rank),
        threshold=threshold,
        false_positives=passed,
        supported=allowed >= 1,
    )


def allowed_to_pass(fpir: float, strangers: float) -> int:
    """How many of `strangers` may get a candidate at the rate; ValueError for an impossible rate or nobody."""
    if not 0.0 <= fpir <= 1.0:
        raise ValueError(f"a false positive identification rate lies in 0..1; {fpir} was asked for")
    if strangers <= 0:
        raise ValueError("a threshold by FPIR needs at least one probe of a stranger")
    # 1 of 1,000 must meet an FPIR of 1e-3 whatever the rounding of the product.
    return int(np.floor(fpir * strangers + 1e-9))


def det(searches: Searches, rank: int = 1) -> Det:
    """Detection error trade-off: FNIR over FPIR at every cosine that occurs. ValueError where a kind of probe is
    absent.
    """
    hits, strangers = searches.hits(rank), searches.strangers()
    if not hits.size or not strangers.size:
        missing = "mated" if not hits.size else "non-mated"
        raise ValueError(f"FNIR over FPIR needs both kinds of probe; there is no {missing} one")
    levels = np.unique(np.concatenate([hits[hits > -np.inf], strangers[strangers > -np.inf]]))[::-1]
    thresholds = np.concatenate([[np.inf], levels])
    return Det(
        thresholds=thresholds,
        fpir=_at_or_above(strangers, thresholds) / strangers.size,
        fnir=1.0 - _at_or_above(hits, thresholds) / hits.size,
    )


def _at_or_above(cosines: Float64, thresholds: Float64) -> Int64:
    counts: Int64 = cosines.size - np.searchsorted(np.sort(cosines), thresholds, side="left")
    return counts


def _check(searches: Searches) -> None:
    shape = searches.people.shape
    if len(shape) != 1 or not shape[0]:
        raise ValueError(f"open-set figures need at least one probe; people has the shape {shape}")
    for name in ("mated", "rank", "mate", "other"):
        found = getattr(searches, name).shape
        if found != shape:
            raise ValueError(f"{name} must be of one length with people, {shape}; its shape is {found}")
    if searches.mated.dtype != np.bool_:
        raise ValueError(f"mated must be bool; its dtype is {searches.mated.dtype}")
    mate, other, rank = searches.mate, searches.other, searches.rank
    for name, cosines in (("mate", mate), ("other", other)):
        _refuse(~((cosines == -np.inf) | (np.abs(cosines) <= 1.0)), f"{name} must be -1..1, or -inf", cosines)
    _refuse(rank < 0, "ranks begin at 1, and 0 says that there is none", rank)
    _refuse((rank >= 1) != (mate > -np.inf), "a rank and the mate's cosine are there together or not", rank)
    _refuse((rank >= 1) & ~searches.mated, "a non-mated probe has no mate to be found", rank)
    _refuse((rank == 1) & (mate <= other), "a mate of rank 1 is above everybody else", mate)
    _refuse((rank > 1) & (other == -np.inf), "a mate of a later rank has somebody before it", rank)


def _refuse(wrong: NDArray[np.bool_], rule: str, values: NDArray[Any]) -> None:
    if wrong.any():
        at = int(np.argmax(wrong))
        raise ValueError(f"probe {at}: {rule}; found {values[at]}")
