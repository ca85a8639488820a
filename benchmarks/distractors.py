"""Real probes and mates of LFW among up to a million made distractors, MegaFace style: time, memory, rank-1.

`python -m benchmarks.distractors --data DIR [--pack NAME] [--svg FILE] [--json]`, DIR as for `cocircle evaluate lfw`;
bar at a million: at most 10 minutes and 6 GB on two cores. `--width 512` pads rows with zeros: the same cosines at the
cost of 512 dimensions. `--engine 100000` also searches a gallery of so many through the service's vector engine.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.lfw_strangers import Strangers
from evaluation.datasets.lfw import open_lfw
from evaluation.embedding.sources import PackEmbeddings, silent
from evaluation.identification.distractors import (
    MatePairs,
    Stronger,
    count_stronger,
    mate_pairs,
    nested_sizes,
)
from evaluation.identification.engine_search import templates
from evaluation.identification.gallery_figures import engine_rows, gallery_figures
from evaluation.identification.megaface_run import SizeFigures, among_distractors
from evaluation.lfw.search_run import LfwPhotos, lfw_photos
from evaluation.report.svg import Axis, Curve, picture
from faces.analyzer import Analyzer
from faces.pack import load_pack

Float32 = NDArray[np.float32]
RATES = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
OVER_PROBES = (0.1, 0.5, 0.9, 0.99)
TAIL_ROWS = 10_000
"""Made distractors that the tail is compared on: with some 6,000 probes 60 cosines lie beyond the rate of 1e-6."""


@dataclass(frozen=True)
class Drawn:
    """probes: (P, D) and their people (P,), at most so many photos a person. strangers: (n, D), one a person."""

    probes: Float32
    people: NDArray[np.int64]
    strangers: Float32


@dataclass(frozen=True)
class Among:
    """Figures of each size; strongest: by size, each probe's highest cosine with any stranger, at OVER_PROBES."""

    figures: tuple[SizeFigures, ...]
    strongest: dict[int, list[float]]


def drawn(photos: LfwPhotos, most: int, seed: int) -> Drawn:
    """People with several photos probe, those with one are the strangers."""
    several = np.bincount(photos.people)[photos.people] > 1
    order = np.random.default_rng(seed).permutation(np.flatnonzero(several))
    order = order[np.argsort(photos.people[order], kind="stable")]
    people = photos.people[order]
    place = np.arange(len(order)) - np.searchsorted(people, people)
    chosen = np.sort(order[place < most])
    return Drawn(photos.rows[chosen], photos.people[chosen], photos.rows[~several])


def widened(rows: Float32, width: int) -> Float32:
    """Rows (n, D) with zeros up to `width` dimensions."""
    return np.pad(rows, ((0, 0), (0, max(0, width - rows.shape[1]))))


def tail(made: Drawn, seed: int) -> dict[str, list[float]]:
    """Cosines that probes exceed with strangers at the RATES: real ones in two halves, and made ones that know the
    first half alone.
    """
    order = np.random.default_rng(seed).permutation(len(made.strangers))
    first, second = np.array_split(made.strangers[order], 2)
    model = Strangers(made.probes, first)
    found = {
        "real, the half that was fitted": upper_quantiles(made.probes @ first.T),
        "real, the other half": upper_quantiles(made.probes @ second.T),
    }
    products = np.concatenate([made.probes @ block.T for block in model.blocks(TAIL_ROWS, seed + 1)], axis=1)
    plain = upper_quantiles(products)
    for start in range(0, TAIL_ROWS, 1000):
        part = products[:, start : start + 1000].T
        products[:, start : start + 1000] = model.as_cosine(part, np.arange(len(products))).T
    return found | {"made": upper_quantiles(products), "made, without the map": plain}


def upper_quantiles(cosines: Float32) -> list[float]:
    """The cosines above which the shares RATES of all lie."""
    places = [round((1 - rate) * (cosines.size - 1)) for rate in RATES]
    found: list[float] = np.partition(cosines, places, axis=None)[places].tolist()
    return found


def among_real(made: Drawn, width: int, seed: int) -> Among:
    rows = widened(made.probes, width)
    pairs = mate_pairs(rows, made.people)
    sizes = nested_sizes(len(made.strangers))
    return among(pairs, count_stronger(rows, pairs, [widened(made.strangers, width)], sizes, (seed,)))


def among_made(made: Drawn, model: Strangers, sizes: Sequence[int], width: int, seed: int) -> Among:
    rows = widened(made.probes, width)
    pairs = mate_pairs(rows, made.people)
    products = replace(pairs, cosines=model.as_product(pairs.cosines, pairs.probe))
    blocks = (widened(block, width) for block in model.blocks(sizes[-1], seed))
    counted = count_stronger(rows, products, blocks, sizes, (seed,))
    strongest = model.as_cosine(counted.strongest, np.arange(len(rows)))
    return among(pairs, replace(counted, strongest=np.clip(strongest, -1, 1).astype(np.float32)))


def among(pairs: MatePairs, counted: Stronger) -> Among:
    strongest = zip(counted.sizes, counted.strongest[0], strict=True)
    quantiles = {size: np.quantile(cosines, OVER_PROBES).tolist() for size, cosines in strongest}
    return Among(among_distractors(pairs, counted), quantiles)


def through_engine(made: Drawn, model: Strangers, count: int, seed: int) -> list[list[str]]:
    """A gallery of one photo of each person who probes, real strangers, and made ones of unit length up to `count`.

    Rows of names and values: rank-1 by every comparison and through the engine, and how often both agree.
    """
    people, first = np.unique(made.people, return_index=True)
    missing = max(0, count - len(first) - len(made.strangers))
    more = np.concatenate([made.strangers[:0], *model.blocks(missing, seed)])
    more /= np.linalg.norm(more, axis=1, keepdims=True)
    rows = np.concatenate([made.probes[first], made.strangers, more])
    others = people[-1] + 1 + np.arange(len(rows) - len(first))
    probing = np.setdiff1d(np.arange(len(made.people)), first)
    gallery = templates(rows, np.concatenate([people, others]))
    figures = gallery_figures(gallery, made.probes[probing], made.people[probing])
    return engine_rows(figures, f"gallery of {figures.persons:,}")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    source = PackEmbeddings(load_pack(options.pack), lambda pack: Analyzer(pack, threads=2), silent)
    made = drawn(lfw_photos(source, open_lfw(options.data)), options.photos, options.seed)
    quantiles = tail(made, options.seed)
    real = among_real(made, options.width, options.seed)
    # The number of real strangers is among the sizes, so that both can be compared there.
    alike = min(len(made.strangers), options.distractors)
    sizes = sorted({*nested_sizes(options.distractors), alike})
    began, cpu = time.perf_counter(), time.process_time()
    model = Strangers(made.probes, made.strangers)
    found = among_made(made, model, sizes, options.width, options.seed)
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    return {
        "pack": source.name,
        "probes": len(made.probes),
        "people": len(np.unique(made.people)),
        "pairs": found.figures[0].figures.mated,
        "dimension": max(options.width, made.probes.shape[1]),
        "distractors": options.distractors,
        "wall_s": wall,
        "cpu_s": cpu,
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "tail_cosines": quantiles,
        "strongest": {
            f"real, {len(made.strangers):,} strangers": real.strongest[len(made.strangers)],
            f"made, {alike:,} strangers": found.strongest[alike],
        },
        "real": [line(one) for one in real.figures],
        "made": [line(one) for one in found.figures],
        "engine": through_engine(made, model, options.engine, options.seed) if options.engine else [],
    }


def line(one: SizeFigures) -> dict[str, Any]:
    rank1 = one.figures.ranks[0]
    rates = {rate.point.fpir: rate.point for rate in one.figures.open_set}
    return {
        "distractors": one.distractors,
        "rank1": rank1.rate,
        "low": rank1.interval.low,
        "high": rank1.interval.high,
        "rank10": one.figures.ranks[-1].rate,
        "fnir_at_fpir_1pct": rates[1e-2].fnir,
        "threshold_fpir_1pct": rates[1e-2].threshold,
    }


def drawing(result: dict[str, Any]) -> str:
    """Rank-1 over the number of distractors; dots are real people."""

    def points(kind: str, rate: str) -> list[tuple[float, float]]:
        return [(one["distractors"], one[rate]) for one in result[kind]]

    curves = [
        Curve("rank-1, made distractors", points("made", "rank1")),
        Curve("rank-10, made distractors", points("made", "rank10"), colour=2),
        Curve("rank-1, real people", points("real", "rank1"), dots=True, colour=1),
    ]
    lowest = min(one["rank1"] for one in result["made"])
    return picture(
        f"LFW probes among distractors, {result['pack']}",
        Axis("distractors", 10, result["distractors"], logarithmic=True),
        Axis("identification rate", float(np.floor(20 * lowest) / 20), 1.0),
        curves,
        legend_left=True,
    )


def printed(result: dict[str, Any]) -> str:
    lines = [
        f"{result['pack']}: {result['probes']:,} probes of {result['people']:,} people, {result['pairs']:,} pairs, "
        f"{result['distractors']:,} distractors of {result['dimension']} dimensions in {result['wall_s']:.0f} s "
        f"({result['cpu_s']:.0f} s CPU), peak {result['peak_rss_mib']:.0f} MiB",
        "",
        f"{'cosine with a stranger exceeded at a rate of':<46}" + "".join(f"{rate:>8.0e}" for rate in RATES),
        *rows_of(result["tail_cosines"]),
        "",
        f"{'cosine with the strongest, by share of probes':<46}" + "".join(f"{s:8.2f}" for s in OVER_PROBES),
        *rows_of(result["strongest"]),
        "",
        "distractors        rank-1, %                 rank-10, %   FNIR at FPIR 1e-2, %   threshold",
    ]
    for kind in ("real", "made"):
        for one in result[kind]:
            rank1 = f"{100 * one['rank1']:6.2f} [{100 * one['low']:6.2f}, {100 * one['high']:6.2f}]"
            fnir = f"{100 * one['fnir_at_fpir_1pct']:20.2f}   {one['threshold_fpir_1pct']:9.4f}"
            lines.append(f"{one['distractors']:>11,} {kind}   {rank1}   {100 * one['rank10']:10.2f}   {fnir}")
    lines += ["", *(": ".join(row) for row in result["engine"])]
    return "\n".join(lines).rstrip()


def rows_of(table: dict[str, list[float]]) -> list[str]:
    return [f"{name:<46}" + "".join(f"{cosine:8.4f}" for cosine in row) for name, row in table.items()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pack", default="default")
    parser.add_argument("--distractors", type=int, default=1_000_000)
    parser.add_argument("--photos", type=int, default=10, help="most probes of one person")
    parser.add_argument("--width", type=int, default=0, help="pad rows with zeros to so many dimensions")
    parser.add_argument("--engine", type=int, default=0, help="people in a gallery for the vector engine")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--svg", type=Path)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result = measure(options)
    if options.svg is not None:
        options.svg.write_text(drawing(result), encoding="utf-8")
    print(json.dumps(result) if options.json else printed(result))


if __name__ == "__main__":
    main()
