"""What the second look at each face (faces/refine.py) changes on LFW: accuracy and genuine cosines, with and without.

`python -m benchmarks.refine --data FOLDER [--pack default] [--folds 10] [--json]`. Both sides in one run, on the same
pairs; no cache. All ten folds take some ten minutes a side on two cores.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

import faces.analyzer
from evaluation.datasets.lfw import open_lfw
from evaluation.embedding.pipeline import embed_photos
from evaluation.verification.measures import fold_accuracy, pair_cosines
from faces.analyzer import Analyzer
from faces.detect.detector import Detector
from faces.face import Detection, Image
from faces.pack import load_pack

HARD = 0.5
"""Genuine pairs below this cosine without the second look are those that decide errors."""


def first_look_only(
    _detector: Detector, _images: Sequence[Image], detections: Sequence[Sequence[Detection]]
) -> list[list[Detection]]:
    return [list(found) for found in detections]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pack", default="default")
    parser.add_argument("--folds", type=int, default=10, choices=range(2, 11), metavar="2..10")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    lfw = open_lfw(options.data)
    pairs = [pair for pair in lfw.pairs if pair.fold < options.folds]
    names = tuple(sorted({name for pair in pairs for name in (pair.left, pair.right)}))
    images = replace(lfw.images, names=names)
    same = np.array([pair.same for pair in pairs])
    folds = np.array([pair.fold for pair in pairs])
    analyzer = Analyzer(load_pack(options.pack))
    second_look = faces.analyzer.refined
    rows, hard = [], np.zeros(len(pairs), np.bool_)
    for name, look in (("first look only", first_look_only), ("with second look", second_look)):
        faces.analyzer.refined = look
        embedded = embed_photos(analyzer, images)
        left, right = ([embedded.rows[getattr(pair, side)] for pair in pairs] for side in ("left", "right"))
        cosines = pair_cosines(embedded.central, left, right)
        if not rows:
            hard = same & (cosines < HARD)
        accuracy = fold_accuracy(cosines, same, folds)
        rows.append(
            {
                "landmarks": name,
                "pairs": len(pairs),
                "accuracy_pct": round(100 * accuracy.mean, 3),
                "hard_genuine_pairs": int(hard.sum()),
                "their_mean_cosine": round(float(cosines[hard].mean()), 4),
            }
        )
    faces.analyzer.refined = second_look
    for row in rows:
        print(json.dumps(row) if options.json else "  ".join(f"{key} {value}" for key, value in row.items()))


if __name__ == "__main__":
    main()
