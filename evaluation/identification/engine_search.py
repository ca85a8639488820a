"""The same search twice: through the service's own vector engine, and by every comparison; judges neither.

What an engine loses, by half-precision rows or by codes that choose the candidates, is the difference between both.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluation.identification.candidate_lists import NOBODY, CandidateLists
from evaluation.identification.open_set import Int64
from index.engine.base import Hits, SearchedRows, Space
from index.engine.faiss_cpu import FaissCpuEngine
from index.engine.held import Tuning
from index.engine.scan import best
from index.records import Fusion, Precision, Search
from index.template import Float32, mean_template, stored

LIMIT = 50
"""Candidates a search returns, as NIST FRTE 1:N asks for."""
AT_ONCE = 256
"""Probes of one call of an engine, and at most of one block of comparisons."""
SCORES_AT_ONCE = 1 << 24
"""Cosines of one block of comparisons, 64 MiB, unless one probe alone has more."""
BLOCK = 50_000


@dataclass(frozen=True)
class Templates:
    """What is searched. rows: (n, D) float32 unit rows, sorted by person; people: (n,) int64 numbers from 0."""

    rows: Float32
    people: Int64
    fusion: Fusion

    @property
    def enrolled(self) -> Int64:
        """Every person once, rising."""
        return np.unique(self.people)


@dataclass(frozen=True)
class EngineSearch:
    """Candidates, and how the engine found them: "codes" or "exact", as it says itself."""

    lists: CandidateLists
    engine: str


def templates(rows: NDArray[np.float32], people: Int64, fusion: Fusion = Fusion.MEAN) -> Templates:
    """A gallery as the service keeps it: one mean template a person, every photo of equal weight, or every photo.

    rows: (n, D) unit rows; people: (n,) the person of each, a number from 0.
    """
    if rows.ndim != 2 or people.shape != (len(rows),):
        raise ValueError(f"rows of shape {rows.shape} do not go with persons of shape {people.shape}")
    if people.size and people.min() < 0:
        raise ValueError(f"a row belongs to person {people.min()}; persons are numbered from 0")
    order = np.argsort(people, kind="stable")
    rows, people = np.ascontiguousarray(rows[order], np.float32), people[order].astype(np.int64)
    if fusion is Fusion.SAMPLES or len(np.unique(people)) == len(people):
        return Templates(rows, people, fusion)
    enrolled, first, photos = np.unique(people, return_index=True, return_counts=True)
    means = [
        mean_template(rows[start : start + count], np.ones(count))
        for start, count in zip(first, photos, strict=True)
    ]
    return Templates(np.stack(means), enrolled, fusion)


def engine_search(
    gallery: Templates,
    probes: Float32,
    search: Search,
    *,
    precision: Precision = Precision.FLOAT16,
    limit: int = LIMIT,
    tuning: Tuning | None = None,
) -> EngineSearch:
    """The best `limit` persons for each unit probe (P, D), from an engine that is filled, asked and closed.

    With Search.FAST an engine takes codes from `tuning.train_from` rows on; below it scans exactly and says so.
    """
    space = Space(1, "evaluation", gallery.rows.shape[1], gallery.fusion, search, precision)
    with tempfile.TemporaryDirectory() as folder:
        engine = FaissCpuEngine(Path(folder), tuning or Tuning())
        try:
            engine.rebuild(space, _blocks(gallery, precision), 1)
            hits: list[Hits] = []
            for start in range(0, len(probes), AT_ONCE):
                hits += engine.search(space.key, probes[start : start + AT_ONCE], limit, -1.0).hits
            how = engine.stats(space.key).engine
        finally:
            engine.close()
    return EngineSearch(_as_lists(hits, limit, len(gallery.enrolled)), how)


def exact_search(gallery: Templates, probes: Float32, *, limit: int = LIMIT) -> CandidateLists:
    """The best `limit` persons for each unit probe (P, D) by every comparison, in float32, block by block.

    Each cosine in the lists is computed from its two rows alone, so that equal templates tie to the last bit.
    """
    enrolled, first = np.unique(gallery.people, return_index=True)
    k = min(limit, len(enrolled))
    people = np.full((len(probes), limit), NOBODY, np.int64)
    cosines = np.zeros((len(probes), limit), np.float32)
    if not k:
        return CandidateLists(people, cosines, whole=True)
    at_once = max(1, min(AT_ONCE, SCORES_AT_ONCE // len(gallery.rows)))
    for start in range(0, len(probes), at_once):
        part = slice(start, start + at_once)
        scores = probes[part] @ gallery.rows.T
        chosen = best(np.maximum.reduceat(scores, first, axis=1), k)[1]  # (B, k) places in `enrolled`
        people[part, :k] = enrolled[chosen]
        cosines[part, :k] = _recomputed(gallery, probes[part], scores, chosen)
    return CandidateLists(people, cosines, whole=k == len(enrolled))


def same_best(one: CandidateLists, other: CandidateLists) -> float:
    """The share of probes, 0..1, whose best candidates are one person."""
    return float(np.mean(one.best() == other.best()))


def _blocks(gallery: Templates, precision: Precision) -> Iterator[SearchedRows]:
    """By person, then by key; with one row a person its key is the person's."""
    samples = gallery.fusion is Fusion.SAMPLES
    keys = np.arange(len(gallery.rows)) if samples else gallery.people
    for start in range(0, len(gallery.rows), BLOCK):
        part = slice(start, start + BLOCK)
        yield SearchedRows(gallery.people[part], keys[part], stored(gallery.rows[part], precision))


def _as_lists(hits: list[Hits], limit: int, enrolled: int) -> CandidateLists:
    people = np.full((len(hits), limit), NOBODY, np.int64)
    cosines = np.zeros((len(hits), limit), np.float32)
    for probe, found in enumerate(hits):
        people[probe, : len(found.persons)] = found.persons
        cosines[probe, : len(found.persons)] = found.cosines
    return CandidateLists(people, cosines, whole=enrolled <= limit)


def _recomputed(gallery: Templates, probes: Float32, scores: Float32, chosen: Int64) -> Float32:
    """(B, k) cosines of each chosen person's best row."""
    enrolled, first, photos = np.unique(gallery.people, return_index=True, return_counts=True)
    if len(enrolled) == len(gallery.people):
        rows = chosen
    else:
        rows = np.array(
            [
                [
                    first[person] + np.argmax(score[first[person] : first[person] + photos[person]])
                    for person in persons
                ]
                for score, persons in zip(scores, chosen, strict=True)
            ]
        )
    products = np.einsum("bd,bkd->bk", probes, gallery.rows[rows])
    exact: Float32 = np.clip(products, -1.0, 1.0).astype(np.float32)
    return exact
