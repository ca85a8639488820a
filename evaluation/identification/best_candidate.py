"""One-to-many figures from each probe's best candidate: rank-1, FNIR, FPIR; it searches nothing itself.

Terms as in NIST FRTE 1:N: a mated probe shows an enrolled person, a non-mated probe a stranger. Every probe
counts, also one whose face was not found: it then has no candidate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Outcome:
    """One probe. truth: the enrolled person it shows, or None for a stranger. found: the best candidate
    whatever its cosine (-1..1), or None where nothing was found.
    """

    truth: str | None
    found: str | None
    cosine: float = -1.0


@dataclass(frozen=True)
class Identification:
    """Rates 0..1. A rate whose kind of probe is absent is NaN.

    rank1: mated probes whose best candidate is their person, at any cosine. fnir: mated probes whose person
    is not the best candidate at or above the threshold. fpir: strangers with any candidate at or above the
    threshold.
    """

    threshold: float
    mated: int
    strangers: int
    rank1: float
    fnir: float
    fpir: float


def identification(outcomes: Sequence[Outcome], threshold: float) -> Identification:
    """The figures at a cosine threshold. ValueError without probes or for a cosine not finite."""
    _check(outcomes)
    mated = [outcome for outcome in outcomes if outcome.truth is not None]
    strangers = [outcome for outcome in outcomes if outcome.truth is None]
    right = [outcome.found == outcome.truth for outcome in mated]
    returned = [outcome.cosine >= threshold for outcome in mated]
    false_positives = [outcome.found is not None and outcome.cosine >= threshold for outcome in strangers]
    missed = [not (is_right and passes) for is_right, passes in zip(right, returned, strict=True)]
    return Identification(
        threshold, len(mated), len(strangers), _share(right), _share(missed), _share(false_positives)
    )


def threshold_at_fpir(outcomes: Sequence[Outcome], fpir: float) -> float:
    """The lowest threshold at which at most the share `fpir` (0..1) of the strangers gets a candidate.

    Just above the cosine of the first stranger that must not pass; -1 where all of them may.
    """
    _check(outcomes)
    if not 0.0 <= fpir <= 1.0:
        raise ValueError(f"a false positive identification rate lies in 0..1; {fpir} was asked for")
    strangers = [outcome for outcome in outcomes if outcome.truth is None]
    if not strangers:
        raise ValueError("a threshold by FPIR needs at least one probe of a stranger")
    cosines = sorted((outcome.cosine for outcome in strangers if outcome.found is not None), reverse=True)
    allowed = int(np.floor(fpir * len(strangers) + 1e-9))
    if allowed >= len(cosines):
        return -1.0
    return float(np.nextafter(cosines[allowed], np.inf))


def comparison_fmr(fpir: float, gallery: int) -> float:
    """The false match rate of one comparison at which a search of `gallery` templates has the given FPIR
    (0..1).

    1 - (1 - FPIR)^(1/N), as if the N comparisons were independent.
    """
    if not 0.0 <= fpir < 1.0 or gallery < 1:
        raise ValueError(f"needs an FPIR in [0, 1) and a gallery of at least 1; got {fpir} and {gallery}")
    return float(-np.expm1(np.log1p(-fpir) / gallery))


def _check(outcomes: Sequence[Outcome]) -> None:
    if not outcomes:
        raise ValueError("identification figures need at least one probe")
    for at, outcome in enumerate(outcomes):
        if not np.isfinite(outcome.cosine):
            raise ValueError(f"probe {at} has the cosine {outcome.cosine}; every cosine must be finite")


def _share(hits: Sequence[bool]) -> float:
    return float(np.mean(hits)) if hits else float("nan")
