"""Which way to go on below the counted rates: a straight line in log10(FMR), or an extreme-value tail; on LFW.

`python -m benchmarks.tail --data FOLDER [--pack default] [--splits 40] [--start-votes 1000] [--picture SVG]
[--galleries SVG] [--json]`.
A part of the people stands for all the data there is: both ways are made from it, and at the cosines they give for
lower rates the other people's pairs are counted. Embeddings come from the cache or are made, threads as the pack likes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import evaluation.calibration.tail
from evaluation.all_pairs.impostors import AllPairs, bin_edges, count_all_pairs
from evaluation.all_pairs.rates import false_match_rate
from evaluation.all_pairs.strongest import StrongestPairs, lowest_for, strongest_pairs
from evaluation.calibration.curve import calibrate
from evaluation.calibration.gallery_table import gallery_plot, gallery_table
from evaluation.calibration.tail import distance, fit_tail, quantiles
from evaluation.calibration.thresholds import Basis, gallery_rates, state
from evaluation.datasets.lfw import Lfw, open_lfw
from evaluation.datasets.lfw_label_errors import corrected
from evaluation.embedding.sources import PackEmbeddings, silent
from evaluation.report.svg import Axis, Curve, picture
from faces.analyzer import Analyzer
from faces.pack import load_pack

PARTS = (0.5, 0.25, 0.1, 0.05)
TARGETS = (1e-4, 1e-5, 1e-6)
RESAMPLES = 200


def embedded(pack: str, lfw: Lfw) -> tuple[NDArray[np.float32], list[str]]:
    """All photos of LFW with their people, but for the known label errors."""
    source = PackEmbeddings(load_pack(pack), Analyzer, silent)
    sets = [source.photos(lfw.images), *([source.aligned(lfw.rest)] if lfw.rest is not None else [])]
    names = [name for one in sets for name in one.names]
    keep, people = corrected(names)
    return np.concatenate([one.central for one in sets])[keep], people


def of_people(pairs: StrongestPairs, chosen: NDArray[np.bool_]) -> StrongestPairs:
    """The pairs among the chosen people, (people,) bool."""
    inside = chosen[pairs.left_person] & chosen[pairs.right_person]
    number = np.cumsum(chosen) - 1
    return StrongestPairs(
        pairs.cosines[inside],
        pairs.left[inside],
        pairs.right[inside],
        number[pairs.left_person[inside]],
        number[pairs.right_person[inside]],
        pairs.votes[inside],
        int(chosen.sum()),
        pairs.lowest,
    )


def histogram(pairs: StrongestPairs) -> AllPairs:
    """As count_all_pairs counts them, with everything below the strongest pairs in the lowest bin."""
    edges = bin_edges()
    bins = np.searchsorted(edges, pairs.cosines, side="right") - 1
    votes = np.bincount(bins, weights=pairs.votes, minlength=edges.size).astype(np.float64)
    votes[0] += pairs.people_pairs - votes.sum()
    counts = np.bincount(bins, minlength=edges.size)
    return AllPairs(np.zeros_like(counts), counts, votes, ())


def cosine_at(pairs: StrongestPairs, fmr: float) -> float:
    """The counted cosine of a rate."""
    rate = np.cumsum(pairs.votes) / pairs.people_pairs
    return float(pairs.cosines[np.searchsorted(rate, fmr, side="right")])


def splits(pairs: StrongestPairs, part: float, count: int, seed: int) -> list[dict[str, Any]]:
    """One row for each split, target and way."""
    draw = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        chosen = np.zeros(pairs.people, np.bool_)
        chosen[draw.permutation(pairs.people)[: round(part * pairs.people)]] = True
        known, others = of_people(pairs, chosen), of_people(pairs, ~chosen)
        calibration = calibrate(histogram(known), "a part of LFW")
        targets = [fmr for fmr in TARGETS if fmr < calibration.floor]
        for statement in state(targets, calibration, known, resamples=RESAMPLES):
            for way in (statement.offered, statement.beside):
                if way is None:
                    continue
                truth = cosine_at(others, way.fmr)
                held = way.interval is not None and way.interval.low <= truth <= way.interval.high
                rows.append(
                    {
                        "people": known.people,
                        "floor": calibration.floor,
                        "fmr": way.fmr,
                        "way": str(way.basis),
                        "cosine": way.cosine,
                        "ratio": false_match_rate(others, way.cosine) / way.fmr,
                        "least": 0.5 / others.people_pairs / way.fmr,
                        "held": held,
                    }
                )
    return rows


def summary(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Over the splits: how many times the asked rate the others count at the cosine that a way gave."""
    found = []
    for people, fmr, way in sorted({(row["people"], row["fmr"], row["way"]) for row in rows}, reverse=True):
        own = [row for row in rows if (row["people"], row["fmr"], row["way"]) == (people, fmr, way)]
        ratios = np.array([row["ratio"] for row in own])
        logs = np.log10(np.maximum(ratios, [row["least"] for row in own]))
        tenth, median, most = np.quantile(ratios, [0.1, 0.5, 0.9])
        found.append(
            {
                "people": people,
                "floor": float(np.mean([row["floor"] for row in own])),
                "fmr": fmr,
                "way": way,
                "splits": len(own),
                "cosine": round(float(np.mean([row["cosine"] for row in own])), 4),
                "median_ratio": round(float(median), 2),
                "tenth": round(float(tenth), 2),
                "nine_tenths": round(float(most), 2),
                "error_in_decades": round(float(np.sqrt((logs**2).mean())), 3),
                "interval_holds": round(float(np.mean([row["held"] for row in own])), 2),
            }
        )
    return found


def ratio_picture(pack: str, rows: Sequence[dict[str, Any]], fmr: float) -> str:
    """By number of people: the median over the splits, and dashed the tenth and nine tenths."""
    curves = []
    for colour, way in enumerate((Basis.LINEAR, Basis.TAIL)):
        own = sorted(
            (row for row in rows if row["fmr"] == fmr and row["way"] == way), key=lambda row: row["people"]
        )
        for key, label in (("median_ratio", str(way)), ("tenth", ""), ("nine_tenths", "")):
            points = [(row["people"], row[key]) for row in own]
            curves.append(Curve(label, points, dashed=not label, colour=colour))
    return picture(
        f"{pack}: false matches counted at the cosine given for {fmr:g}",
        Axis("people it was made from", 250, 3200, logarithmic=True),
        Axis("counted rate over the rate asked for", 0.1, 30, logarithmic=True),
        [Curve("", [(250, 1), (3200, 1)], colour=8), *curves],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pack", default="default")
    parser.add_argument("--splits", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--start-votes", type=int, default=evaluation.calibration.tail.START_VOTES, help="of the tail"
    )
    parser.add_argument("--picture", type=Path, help="SVG of the ratios at 1e-6")
    parser.add_argument("--galleries", type=Path, help="SVG of the cosines by size of gallery")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    evaluation.calibration.tail.START_VOTES = options.start_votes
    rows, people = embedded(options.pack, open_lfw(options.data))
    counted = count_all_pairs(rows, people)
    pairs = strongest_pairs(rows, people, lowest_for(counted, 2e-2, 3_000_000))
    found = summary([row for part in PARTS for row in splits(pairs, part, options.splits, options.seed)])
    for row in found:
        words = (
            f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
            for key, value in row.items()
        )
        print(json.dumps(row) if options.json else "  ".join(words))
    tail = fit_tail(pairs)
    print(f"tail of all {pairs.people} people: {tail}, distance {distance(tail, pairs):.4f}")
    for quantile in quantiles(tail, pairs):
        print(f"  {quantile}")
    calibration = calibrate(counted, "LFW")
    strongest = strongest_pairs(rows, people, lowest_for(counted, 1.5e-2))
    rates, name = gallery_rates(), load_pack(options.pack).name
    statements = state([fmr for _, _, fmr in rates], calibration, strongest, resamples=1000)
    table = gallery_table(name, rates, statements)
    print("\n".join("  ".join(f"{cell:>28}" for cell in row) for row in table.rows))
    if options.picture:
        options.picture.write_text(ratio_picture(name, found, 1e-6), encoding="utf-8")
    if options.galleries:
        options.galleries.write_text(gallery_plot(name, rates, statements).svg(), encoding="utf-8")


if __name__ == "__main__":
    main()
