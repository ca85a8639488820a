"""Real probes and mates of LFW among up to a million made distractors, MegaFace style: time, memory, rank-1.

`python -m benchmarks.distractors --data DIR [--pack NAME] [--svg FILE] [--json]`, DIR as for `cocircle evaluate lfw`;
bar at a million: at most 10 minutes and 6 GB on two cores. `--width 512` pads rows with zeros: the same cosines at the
cost of 512 dimensions.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.datasets.lfw import open_lfw
from evaluation.distractors import count_stronger, mate_pairs, nested_sizes
from evaluation.lfw_search_run import LfwPhotos, lfw_photos
from evaluation.megaface_run import SizeFigures, among_distractors
from evaluation.pack_embeddings import PackEmbeddings
from evaluation.report.svg import Axis, Curve, picture
from faces.analyzer import Analyzer
from faces.pack import load_pack

Float32 = NDArray[np.float32]
BLOCK = 8192
RATES = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
TAIL_ROWS = 20_000
"""Made distractors that the tail is compared on: with some 6,000 probes 100 cosines lie beyond the rate of 1e-6."""


class Strangers:
    """Distractors whose cosines with a probe are spread as those of LFW's people with one photo.

    Rows are normal with the mean and covariance of real templates. They are not brought to unit length, so they are no
    templates: for each probe the products are then exactly normal, with a mean and a variance of its own, and so are
    real cosines as far as some thousand strangers can tell (the table "standardised by probe"). Of unit length, with
    some hundred effective dimensions, their tail would be too light; real rows with a little noise, drawn again and
    again, repeat the same few strangers.
    """

    def __init__(self, real: Float32, seed: int) -> None:
        self._mean = real.mean(axis=0)
        _, lengths, axes = np.linalg.svd(real - self._mean, full_matrices=False)
        self._axes: Float32 = (lengths[:, None] / np.sqrt(len(real) - 1) * axes).astype(np.float32)
        self._seed = seed

    def blocks(self, count: int) -> Iterator[Float32]:
        """`count` rows in blocks of at most BLOCK; the same for the same seed."""
        rng = np.random.default_rng(self._seed)
        for start in range(0, count, BLOCK):
            drawn = rng.standard_normal((min(BLOCK, count - start), len(self._axes)), dtype=np.float32)
            yield drawn @ self._axes + self._mean


@dataclass(frozen=True)
class Drawn:
    """probes: (P, D) and their people (P,), at most so many photos a person. strangers: (n, D), one a person."""

    probes: Float32
    people: NDArray[np.int64]
    strangers: Float32


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


def standardised(made: Drawn) -> dict[str, list[float]]:
    """How many of its own standard deviations above a probe's mean the first four RATES of cosines lie."""
    real = made.strangers
    rows = np.concatenate(list(Strangers(real, 0).blocks(len(real))))
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    found = {}
    for name, others in (("real", real), ("made", rows), ("made, of unit length", unit)):
        scores = made.probes @ others.T
        scores -= scores.mean(axis=1, keepdims=True)
        scores /= scores.std(axis=1, keepdims=True)
        found[name] = [float(np.quantile(scores, 1 - rate)) for rate in RATES[:4]]
    return found | {"normal": [NormalDist().inv_cdf(1 - rate) for rate in RATES[:4]]}


def upper_quantiles(probes: Float32, others: Sequence[Float32]) -> NDArray[np.float64]:
    """The cosines above which the shares RATES of all products of probes and others lie."""
    kept: list[Float32] = []
    total = 0
    for block in others:
        scores = (probes @ block.T).ravel()
        total += scores.size
        kept.append(scores[scores > np.quantile(scores[::97], 0.97)])
    tail = np.sort(np.concatenate(kept))[::-1]
    return np.array([tail[int(rate * total)] for rate in RATES], np.float64)


def tail(made: Drawn, seed: int) -> dict[str, NDArray[np.float64]]:
    """Quantiles of two halves of the real strangers, and of rows made from the first half alone."""
    order = np.random.default_rng(seed).permutation(len(made.strangers))
    first, second = np.array_split(made.strangers[order], 2)
    return {
        "real, the half that was fitted": upper_quantiles(made.probes, [first]),
        "real, the other half": upper_quantiles(made.probes, [second]),
        "made": upper_quantiles(made.probes, list(Strangers(first, seed + 1).blocks(TAIL_ROWS))),
    }


def ranked(
    made: Drawn, blocks: Iterator[Float32], sizes: Sequence[int], width: int, seed: int
) -> list[SizeFigures]:
    rows = widened(made.probes, width)
    pairs = mate_pairs(rows, made.people)
    wide = (widened(block, width) for block in blocks)
    return list(among_distractors(pairs, count_stronger(rows, pairs, wide, sizes, (seed,))))


@contextmanager
def silent(what: str, total: int) -> Iterator[Any]:
    print(f"{what}: {total}, embedding what the cache lacks", flush=True)
    yield lambda done: None


def measure(options: argparse.Namespace) -> dict[str, Any]:
    source = PackEmbeddings(load_pack(options.pack), lambda pack: Analyzer(pack, threads=2), silent)
    made = drawn(lfw_photos(source, open_lfw(options.data)), options.photos, options.seed)
    quantiles, deviations = tail(made, options.seed), standardised(made)
    strangers = made.strangers
    real = ranked(made, iter([strangers]), nested_sizes(len(strangers)), options.width, options.seed)
    # The number of real strangers is among the sizes, so that both can be compared there.
    sizes = sorted({*nested_sizes(options.distractors), min(len(strangers), options.distractors)})
    began, cpu = time.perf_counter(), time.process_time()
    blocks = Strangers(strangers, options.seed).blocks(options.distractors)
    found = ranked(made, blocks, sizes, options.width, options.seed)
    return {
        "pack": source.name,
        "probes": len(made.probes),
        "people": len(np.unique(made.people)),
        "pairs": found[0].figures.mated,
        "dimension": max(options.width, made.probes.shape[1]),
        "distractors": options.distractors,
        "wall_s": time.perf_counter() - began,
        "cpu_s": time.process_time() - cpu,
        "peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "tail_cosines": {
            name: dict(zip(map(str, RATES), row.tolist(), strict=True)) for name, row in quantiles.items()
        },
        "standardised": deviations,
        "real": [line(one) for one in real],
        "made": [line(one) for one in found],
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
    curves = [
        Curve("rank-1, made distractors", [(one["distractors"], one["rank1"]) for one in result["made"]]),
        Curve(
            "rank-10, made distractors",
            [(one["distractors"], one["rank10"]) for one in result["made"]],
            colour=2,
        ),
        Curve(
            "rank-1, real people",
            [(one["distractors"], one["rank1"]) for one in result["real"]],
            dots=True,
            colour=1,
        ),
    ]
    lowest = min(one["rank1"] for one in result["made"])
    return picture(
        f"LFW probes among distractors, {result['pack']}",
        Axis("distractors", 10, result["distractors"], logarithmic=True),
        Axis("identification rate", float(np.floor(20 * lowest) / 20), 1.0),
        curves,
    )


def printed(result: dict[str, Any]) -> str:
    head = (
        f"{result['pack']}: {result['probes']:,} probes of {result['people']:,} people, {result['pairs']:,} pairs, "
        f"{result['distractors']:,} distractors of {result['dimension']} dimensions in {result['wall_s']:.0f} s "
        f"({result['cpu_s']:.0f} s CPU), peak {result['peak_rss_mib']:.0f} MiB"
    )
    lines = [
        head,
        "",
        "cosine with a stranger exceeded at a rate of" + "".join(f"{rate:>9.0e}" for rate in RATES),
    ]
    for name, row in result["tail_cosines"].items():
        lines.append(f"{name:<44}" + "".join(f"{cosine:9.4f}" for cosine in row.values()))
    lines += [
        "",
        "distractors        rank-1, %                  rank-10, %   FNIR at FPIR 1e-2, %   threshold",
    ]
    for kind in ("real", "made"):
        for one in result[kind]:
            rank1 = f"{100 * one['rank1']:6.2f} [{100 * one['low']:6.2f}, {100 * one['high']:6.2f}]"
            fnir = f"{100 * one['fnir_at_fpir_1pct']:6.2f}              {one['threshold_fpir_1pct']:.4f}"
            lines.append(
                f"{one['distractors']:>9,} {kind:<6} {rank1}        {100 * one['rank10']:6.2f}        {fnir}"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pack", default="default")
    parser.add_argument("--distractors", type=int, default=1_000_000)
    parser.add_argument("--photos", type=int, default=10, help="most probes of one person")
    parser.add_argument("--width", type=int, default=0, help="pad rows with zeros to so many dimensions")
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
