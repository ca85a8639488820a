"""Where the limits of faces/quality.py come from: what a fault costs in cosine, and what the limits reject.

    python -m benchmarks.quality [--photos 120] [--rejections 1000]

On photos of LFW (see faces/quality.py for what each number means): each photo is made smaller, blurred, darker;
printed is the cosine of its template with the untouched photo's, beside what is measured on the face.
"""

from __future__ import annotations

import argparse
import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from faces.analyzer import Analyzer, EmbedWhat
from faces.face import Face, Image, Reason
from faces.image import decode_image
from faces.pack import load_pack

DATA = Path(os.environ.get("COCIRCLE_DATA") or Path(__file__).parents[2] / "shared")


def photos(count: int) -> Iterator[Image]:
    """`count` photos of LFW, spread evenly over the archive."""
    with tarfile.open(DATA / "data/lfw/lfw-pairs-250.tar") as archive:
        members = [member for member in archive if member.name.endswith(".jpg")]
        for member in members[:: max(1, len(members) // count)][:count]:
            file = archive.extractfile(member)
            assert file is not None
            yield decode_image(file.read())


def central(faces: tuple[Face, ...]) -> Face | None:
    """The person the photo is named after stands in its middle."""
    return min(
        faces,
        key=lambda face: float(np.abs(face.detection.landmarks.mean(axis=0) - 125).sum()),
        default=None,
    )


def smaller(width: float) -> Callable[[Image], Image]:
    """Scale a photo whose face is about 93 pixels wide so that it is `width` wide."""
    return lambda image: cv2.resize(
        image, None, fx=width / 93, fy=width / 93, interpolation=cv2.INTER_AREA
    ).astype(np.uint8)


def blurred(sigma: float) -> Callable[[Image], Image]:
    return lambda image: cv2.GaussianBlur(image, (0, 0), sigma).astype(np.uint8)


def darker(gain: float) -> Callable[[Image], Image]:
    return lambda image: np.round(image * gain).astype(np.uint8)


FAULTS: dict[str, tuple[Callable[[Image], Image], str]] = {
    **{f"{width} px wide": (smaller(width), "face_size") for width in (64, 48, 36, 28, 20, 14)},
    **{f"blur sigma {sigma}": (blurred(sigma), "sharpness") for sigma in (1, 2, 3, 4, 6)},
    **{f"light x {gain}": (darker(gain), "brightness") for gain in (0.5, 0.3, 0.2, 0.1, 0.05)},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=120)
    parser.add_argument("--rejections", type=int, default=1000)
    options = parser.parse_args()
    analyzer = Analyzer(load_pack())

    images = list(photos(options.photos))
    clean = [analysis.faces[0] for analysis in analyzer.analyze(images)]
    print(f"{'fault':>16} {'found':>6} {'measure':>11} {'median':>7} {'cosine 5 %':>10} {'median':>7}")
    for name, (spoil, measure) in FAULTS.items():
        found = [
            (before, analysis.faces[0])
            for before, analysis in zip(
                clean, analyzer.analyze([spoil(image) for image in images]), strict=True
            )
            if analysis.faces
        ]
        cosines = [float(before.embedding @ after.embedding) for before, after in found]  # type: ignore[operator]
        values = [getattr(after.quality, measure) for _, after in found]
        print(
            f"{name:>16} {len(found) / len(images):>6.1%} {measure:>11} {np.median(values):>7.1f} "
            f"{np.percentile(cosines, 5):>10.2f} {np.median(cosines):>7.2f}"
        )

    faces = [
        central(analyzer.analyze([image], embed=EmbedWhat.NONE)[0].faces)
        for image in photos(options.rejections)
    ]
    known = [face for face in faces if face is not None]
    print(f"\n{len(faces)} LFW photos: {len(faces) - len(known)} without a face")
    for reason in Reason:
        if count := sum(reason in face.quality.reasons for face in known):
            print(f"  {reason:>16}: {count} ({count / len(known):.2%})")
    print(f"  {'any of them':>16}: {sum(bool(face.quality.reasons) for face in known) / len(known):.2%}")
    for measure in ("face_size", "sharpness", "brightness", "yaw", "pitch", "roll", "score"):
        spread = np.percentile([getattr(face.quality, measure) for face in known], [0, 1, 5, 50, 95, 99, 100])
        print(f"  {measure:>16}: " + " ".join(f"{value:8.2f}" for value in spread))
    scores = np.percentile([face.detection.score for face in known], [0, 1, 5, 50])
    print(f"  {'detector score':>16}: " + " ".join(f"{value:8.2f}" for value in scores))


if __name__ == "__main__":
    main()
