"""MegaFace challenge 1, or any probes among any distractors, from images to figures; prints nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.datasets.images import DatasetError, combined_digest
from evaluation.datasets.listed_images import ListedImages
from evaluation.datasets.megaface import MegaFace
from evaluation.embedding.sources import EmbeddingSource, PackEmbeddings
from evaluation.identification.distractors import (
    MatePairs,
    Stronger,
    count_stronger,
    mate_pairs,
    nested_sizes,
    searches_among,
)
from evaluation.identification.open_set_figures import RANKS, OpenSetFigures, open_set_figures, percent
from evaluation.provenance import versions
from evaluation.report.protocol_result import Plot, ProtocolResult, Table, finite
from evaluation.report.svg import Axis, Curve
from index.template import Float32

IMAGES_AT_ONCE = 16_384


@dataclass(frozen=True)
class SizeFigures:
    """Figures among so many distractors, by the first seed. rank1_by_seed: 0..1, one for each seed."""

    distractors: int
    figures: OpenSetFigures
    rank1_by_seed: tuple[float, ...]


def run_megaface(
    source: EmbeddingSource,
    data: MegaFace,
    *,
    sizes: Sequence[int] = (),
    seeds: Sequence[int] = (0,),
    aligned: bool = False,
) -> ProtocolResult:
    """sizes: numbers of distractors beside all of them, by default 10, 100, ... aligned: images are 112x112 crops.

    Distractors are embedded, and kept in the cache, IMAGES_AT_ONCE together, and no more are in memory. A source that
    is no pack is asked by name alone, so that images need not be there.
    """

    def embedded(images: ListedImages) -> Float32:
        return (source.aligned(images) if aligned else source.photos(images)).central

    steps = _steps(sizes, len(data.distractors.names))
    opened = isinstance(source, PackEmbeddings)
    if opened:
        data.probes.require_files()
        data.distractors.require_files()
    parts = list(data.distractors.parts(IMAGES_AT_ONCE))
    rows = embedded(data.probes)
    numbers = np.unique(np.array(data.people), return_inverse=True)[1].astype(np.int64)
    pairs = mate_pairs(rows, numbers)
    blocks = (embedded(part) for part in parts)
    counted = count_stronger(rows, pairs, blocks, steps, seeds)
    found = among_distractors(pairs, counted)
    title = "Identification among distractors (MegaFace challenge 1)"
    return ProtocolResult(
        protocol="megaface",
        title=title,
        subject=source.name,
        contract_id=source.contract_id,
        notes=_notes(data, aligned, seeds),
        tables=distractor_tables(title, source.name, found),
        figures={
            "seeds": list(seeds),
            "probes": len(rows),
            "people": len(set(data.people)),
            "pairs": len(pairs.probe),
            "noise_left_out": list(data.noise_left_out),
            "noise_unknown": list(data.noise_unknown),
            "sizes": [_record(one) for one in found],
        },
        data=_data(data, parts, opened),
        versions=versions(),
        plots=(rank_plot(title, source.name, found),),
    )


def among_distractors(pairs: MatePairs, counted: Stronger) -> tuple[SizeFigures, ...]:
    """Figures of every nested subset, the smallest first."""
    found = []
    for step, size in enumerate(counted.sizes):
        rank1 = tuple(float(np.mean(counted.stronger[seed, step] == 0)) for seed in range(len(counted.seeds)))
        found.append(SizeFigures(size, open_set_figures(searches_among(pairs, counted, 0, step)), rank1))
    return tuple(found)


def distractor_tables(title: str, subject: str, found: Sequence[SizeFigures]) -> tuple[Table, ...]:
    """One table of rank-k rates and one of FNIR by FPIR, a row a number of distractors."""
    ranks = [["", subject]]
    rates = [["", subject]]
    for one in found:
        among = f"among {one.distractors:,}"
        ranks += [
            [f"rank-{rank.rank} {among}, %", percent(rank.rate, rank.interval)] for rank in one.figures.ranks
        ]
        if len(one.rank1_by_seed) > 1:
            low, high = min(one.rank1_by_seed), max(one.rank1_by_seed)
            ranks.append([f"rank-1 {among}, over seeds, %", f"{100 * low:.2f} to {100 * high:.2f}"])
        for rate in one.figures.open_set:
            mark = "" if rate.point.supported else " (unsupported)"
            value = percent(rate.point.fnir, rate.interval) + mark
            rates.append([f"FNIR at FPIR {rate.point.fpir:g} {among}, %", value])
    return Table.of(f"{title}, rank", ranks), Table.of(f"{title}, open set", rates)


def rank_plot(title: str, subject: str, found: Sequence[SizeFigures]) -> Plot:
    """Rank-1 and rank-10 over the number of distractors, on a logarithmic axis."""
    curves = []
    lowest = 1.0
    for colour, rank in enumerate((RANKS[0], RANKS[-1])):
        points = [
            (float(one.distractors), next(rate.rate for rate in one.figures.ranks if rate.rank == rank))
            for one in found
        ]
        lowest = min(lowest, *(rate for _, rate in points))
        curves.append(Curve(f"{subject}, rank-{rank}", points, dashed=rank != 1, colour=colour))
    first, last = found[0].distractors, found[-1].distractors
    return Plot(
        title=f"{title}: rank among distractors",
        across=Axis("distractors", first, max(last, first + 1), logarithmic=True),
        up=Axis("identification rate", float(min(np.floor(20 * lowest) / 20, 0.95)), 1.0),
        curves=tuple(curves),
    )


def _steps(sizes: Sequence[int], total: int) -> tuple[int, ...]:
    if not sizes:
        return nested_sizes(total)
    wrong = [size for size in sizes if not 1 <= size <= total]
    if wrong:
        raise DatasetError(f"{wrong[0]} distractors were asked for; there are {total}")
    return tuple(sorted({*sizes, total}))


def _record(one: SizeFigures) -> dict[str, Any]:
    record: dict[str, Any] = finite(one)
    return record


def _notes(data: MegaFace, aligned: bool, seeds: Sequence[int]) -> tuple[str, ...]:
    taken = (
        "as aligned 112x112 crops" if aligned else "through the whole pipeline, the face nearest the middle"
    )
    left_out, unknown = data.noise_left_out, data.noise_unknown
    return (
        "Of every two photos of one person, in both orders, one is the probe and the other alone joins the "
        "distractors; every pair counts once. Rank-k counts pairs with fewer than k distractors at or above the "
        "mate's cosine.",
        "FNIR counts pairs whose mate is not first at the threshold; FPIR counts probes without their mates, so whose "
        "best distractor reaches it. Intervals are 95 %, by a bootstrap over the probes' people.",
        f"Subsets of the distractors are nested, drawn by seed {', '.join(map(str, seeds))}; tables are of the first "
        "seed. They are not the subsets that the development kit lists.",
        f"Images are taken {taken}. Noise lists took {left_out[0]} probes and {left_out[1]} distractors; "
        f"{unknown[0]} and {unknown[1]} of their names are not among the images.",
    )


def _data(data: MegaFace, parts: Sequence[ListedImages], opened: bool) -> dict[str, str]:
    return {
        what: f"{len(images.names)} images, {origin}, {_content(images, pieces, opened)}"
        for what, images, pieces, origin in (
            ("probes", data.probes, [data.probes], data.lists[0]),
            ("distractors", data.distractors, parts, data.lists[1]),
        )
    }


def _content(images: ListedImages, parts: Sequence[ListedImages], opened: bool) -> str:
    """parts: those that were embedded, whose digests are known."""
    if not opened:
        return f"known by name alone, SHA-256 of the names {combined_digest([name.encode() for name in images.names])}"
    return f"SHA-256 over its parts {combined_digest([part.digest.encode() for part in parts])}"
