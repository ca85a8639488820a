"""What `cocircle data align` costs beside the analyzer that it runs: photos a second of both, in turn, in one run.

    python -m benchmarks.align [--photos 600] [--workers 1 2] [--rounds 3] [--json]

On whole photos of LFW. `alone` reads, decodes and analyses the same files one by one on one thread, as the command
does, and writes nothing. A row is the median of its rounds. `a core` is photos by seconds of processor time of the
whole process: what a core would do were it alone, whoever else uses the machine. Loading the models and the report
that follows an alignment are left out. The last line says what became of the photos.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter, process_time

import numpy as np

from evaluation.datasets.images import open_images
from faces.analyzer import Analyzer, EmbedWhat
from faces.image import decode_image
from training.curation.align import AlignOptions, align_photos
from training.curation.findings import Aligned
from training.curation.outcome import MOST_FACES
from training.curation.photos import Photo, Photos
from training.curation.report import aligned
from training.curation.session import load_models
from training.curation.steps import silent

DATA = Path(os.environ.get("COCIRCLE_DATA") or Path(__file__).parents[2] / "shared")


def laid_out(folder: Path, count: int) -> Photos:
    """`count` photos of LFW, spread evenly over the archive, as `folder/Person/Person_0001.jpg`."""
    images = open_images(DATA / "data/lfw/lfw-pairs-250.tar")
    wanted = set(images.names[:: max(1, len(images.names) // count)][:count])
    for name, data in images.read():
        if name in wanted:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
    return Photos(folder)


def alone(photos: Photos, analyzer: Analyzer) -> None:
    """Each photo through the analyzer, which looks for as many faces as an alignment lets it."""
    for photo in photos.walk():
        if isinstance(photo, Photo):
            image = decode_image(photos.read(photo, 1 << 24))
            analyzer.analyze([image], embed=EmbedWhat.LARGEST, max_faces=MOST_FACES)


def timed(work: Callable[[], object], photos: int) -> tuple[float, float]:
    """Photos a second, by the clock and by a core's time."""
    clock, core = perf_counter(), process_time()
    work()
    return photos / (perf_counter() - clock), photos / (process_time() - core)


def measured(photos: Photos, workers: Sequence[int], rounds: int) -> Iterator[dict[str, object]]:
    """A row for the analyzer alone and one for each number of workers, then what became of the photos."""
    count = photos.count()
    models = load_models("default", 1, 0.1)
    models.analyzer.warm()
    taken: Aligned | None = None

    def align(number: int) -> None:
        nonlocal taken
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder)
            standing = align_photos(
                photos, out, models.analyzer, AlignOptions(), workers=number, steps=silent
            )
            taken = aligned(out, standing.records)

    kinds: dict[str, Callable[[], None]] = {"alone": lambda: alone(photos, models.analyzer)}
    kinds |= {f"align, workers {number}": partial(align, number) for number in workers}
    found = [[timed(work, count) for work in kinds.values()] for _ in range(rounds)]
    clock, core = np.median(found, axis=0).T  # (kinds,) each
    for at, kind in enumerate(kinds):
        yield {
            "kind": kind,
            "photos_a_second": round(float(clock[at]), 1),
            "of_alone": round(float(clock[at] / clock[0]), 2),
            "photos_a_second_a_core": round(float(core[at]), 1),
            "a_core_of_alone": round(float(core[at] / core[0]), 2),
        }
    if taken is not None:
        yield {"kind": "photos", "given": taken.photos, "accepted": taken.accepted, **taken.rejected}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=600)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = list(measured(laid_out(Path(folder), options.photos), options.workers, options.rounds))
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    for row in rows:
        print("  ".join(f"{name} {value}" for name, value in row.items()))


if __name__ == "__main__":
    main()
