"""One gallery and its probes to figures, by every comparison and through the vector engine; embeds nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from evaluation.identification.candidate_lists import CandidateLists, searches_of
from evaluation.identification.engine_search import Templates, engine_search, exact_search, same_best
from evaluation.identification.open_set import FPIRS, Int64, OpenSetPoint, Searches, open_set_point, rank_rate
from evaluation.identification.open_set_figures import OpenSetFigures, open_set_figures, percent
from evaluation.report.protocol_result import finite
from index.records import Search
from index.template import Float32

SEARCHES = (Search.EXACT, Search.FAST)


@dataclass(frozen=True)
class EngineFigures:
    """One way to search of the service's engine beside every comparison. Rates 0..1; rank1 is NaN without a mate.

    engine: "codes" or "exact", what it took for this gallery. same_best: probes with the same best candidate.
    open_set: FNIR of rank 1 at each FPIR, with a threshold of its own; empty without a stranger.
    """

    search: str
    engine: str
    same_best: float
    rank1: float
    open_set: tuple[OpenSetPoint, ...]


@dataclass(frozen=True)
class GalleryFigures:
    """persons, templates: in the gallery. lists, searches: of every comparison; figures: theirs."""

    persons: int
    templates: int
    lists: CandidateLists
    searches: Searches
    figures: OpenSetFigures
    engines: tuple[EngineFigures, ...]

    def record(self) -> dict[str, Any]:
        """As JSON values; searches are left out."""
        made: dict[str, Any] = finite(
            {
                "persons": self.persons,
                "templates": self.templates,
                "exact": self.figures,
                "engines": [vars(engine) | {"open_set": list(engine.open_set)} for engine in self.engines],
            }
        )
        return made


def gallery_figures(gallery: Templates, probes: Float32, people: Int64) -> GalleryFigures:
    """probes: (P, D) float32 unit rows; people: (P,) the person each shows, numbered as in the gallery."""
    enrolled = gallery.enrolled
    lists = exact_search(gallery, probes)
    searches = searches_of(lists, people, enrolled)
    engines = []
    for search in SEARCHES:
        found = engine_search(gallery, probes, search)
        through = searches_of(found.lists, people, enrolled)
        strangers = not through.mated.all()
        engines.append(
            EngineFigures(
                search=str(search),
                engine=found.engine,
                same_best=same_best(found.lists, lists),
                rank1=rank_rate(through, 1),
                open_set=tuple(open_set_point(through, fpir) for fpir in FPIRS if strangers),
            )
        )
    return GalleryFigures(
        persons=len(enrolled),
        templates=len(gallery.rows),
        lists=lists,
        searches=searches,
        figures=open_set_figures(searches),
        engines=tuple(engines),
    )


def engine_rows(figures: GalleryFigures, what: str) -> list[list[str]]:
    """Rows for a table: every comparison first, then the engine's exact and fast search. what: begins each name."""
    exact = figures.figures
    rows = []
    if exact.mated:
        rows.append([f"{what}: rank-1 by every comparison, %", percent(exact.ranks[0].rate)])
        rows += [[f"{what}: rank-1, {one.search} search, %", percent(one.rank1)] for one in figures.engines]
        for at, rate in enumerate(exact.open_set):
            fpir = f"FNIR at FPIR {rate.point.fpir:g}"
            rows.append([f"{what}: {fpir} by every comparison, %", percent(rate.point.fnir)])
            rows += [
                [f"{what}: {fpir}, {one.search} search, %", percent(one.open_set[at].fnir)]
                for one in figures.engines
            ]
    rows += [
        [
            f"{what}: best candidate as by every comparison, {one.search} search, %",
            f"{100 * one.same_best:.3f}",
        ]
        for one in figures.engines
    ]
    return rows
