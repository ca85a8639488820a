"""What the report of `cocircle data` finds of faults planted among people of LFW, and what else it raises.

    python -m benchmarks.faults [--people 300] [--each 20] [--seed 0] [--workers 2] [--json]

People of LFW with 4 to 20 photos, of no label that evaluation/datasets/lfw_label_errors.py doubts, are aligned and
inspected as they are, then again with `--each` of every fault among them, each in an identity of its own. Printed
are of every fault: how many were planted; in the set, that is, with the photos they need accepted by the alignment;
found under their own heading; and only said to lie in an identity in doubt; of merged identities besides, how many
faces would go to the wrong person. Then all other alarms, without and with the faults, by name; then what became of
the photos as they are. It is one draw of people; --seed draws others.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from evaluation.datasets.images import open_images
from evaluation.datasets.lfw_label_errors import doubted
from faces.face import Image
from faces.image import decode_image
from training.curation.align import AlignOptions, align_photos
from training.curation.findings import Copies, Findings
from training.curation.origin import Origins
from training.curation.photos import Photos
from training.curation.session import Models, alignment_report, load_models, opened
from training.curation.steps import silent

DATA = Path(os.environ.get("COCIRCLE_DATA") or Path(__file__).parents[2] / "shared")
FEWEST, MOST = 4, 20

People = dict[str, dict[str, bytes]]
"""Image files by name, by identity."""


@dataclass(frozen=True)
class Fault:
    """needs: photos in groups; the fault is in the set where `least` of each group were accepted.

    strange: photos that an alarm may well be about. identities: those that may be in doubt for it.
    """

    kind: str
    needs: tuple[frozenset[str], frozenset[str]]
    strange: frozenset[str]
    identities: frozenset[str]
    least: int = 1


def smaller(image: Image, share: float) -> Image:
    small = cv2.resize(image, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def brighter(image: Image) -> Image:
    return np.asarray(np.clip(image.astype(np.float32) * 1.3 + 20, 0, 255), np.uint8)


SPOILT: dict[str, tuple[Callable[[Image], Image], int]] = {
    "quality 30": (lambda image: image, 30),
    "half the size": (lambda image: smaller(image, 0.5), 90),
    "0.7 of the size at quality 50": (lambda image: smaller(image, 0.7), 50),
    "a tenth cut off each side": (lambda image: image[25:-25, 25:-25], 90),
    "brighter": (brighter, 90),
}
"""How a copy differs from its photo of 250x250, and the quality of its JPEG."""


def known_people() -> People:
    """The people of LFW with enough photos whose labels nobody has doubted, by name."""
    left_out = doubted()
    people: People = {}
    for name, data in sorted(open_images(DATA / "data/lfw/lfw-pairs-250.tar").read()):
        person, file = name.split("/")
        people.setdefault(person, {})[file] = data
    return {
        person: files
        for person, files in people.items()
        if FEWEST <= len(files) <= MOST and person not in left_out
    }


class Planting:
    """Takes people one by one, each once, from those in the set or from the others, and spoils what is in the set."""

    def __init__(self, known: People, people: int, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        order = self._random.permutation(sorted(known)).tolist()
        self._known = known
        self.inside: People = {name: dict(known[name]) for name in sorted(order[:people])}
        self._inside, self._others = iter(order[:people]), iter(order[people:])

    def copy(self, number: int) -> Fault:
        """A spoilt copy of a photo in its own identity."""
        name = next(self._inside)
        return self._copied("copy", number, name, name)

    def copy_across(self, number: int) -> Fault:
        """The same in the identity of somebody else."""
        return self._copied("copy across", number, next(self._inside), next(self._inside))

    def merged(self, _number: int) -> Fault:
        """All photos of a second person under the name of the first."""
        name, other = next(self._inside), next(self._others)
        own = _paths(name, self.inside[name])
        self.inside[name] |= self._known[other]
        second = _paths(name, self._known[other])
        return Fault("merged", (own, second), second, frozenset({name}), least=2)

    def split(self, _number: int) -> Fault:
        """Every second photo under a second name."""
        name = next(self._inside)
        again, files = f"{name}-again", self.inside[name]
        self.inside[again] = {file: files.pop(file) for file in list(files)[1::2]}
        halves = _paths(name, files), _paths(again, self.inside[again])
        return Fault("split", halves, frozenset(), frozenset({name, again}))

    def wrong(self, _number: int) -> Fault:
        """One photo of somebody who is not in the set."""
        name, other = next(self._inside), next(self._others)
        own = _paths(name, self.inside[name])
        self.inside[name]["stranger.jpg"] = self._some(self._known[other])[1]
        photo = frozenset({f"{name}/stranger.jpg"})
        return Fault("wrong photo", (photo, own), photo, frozenset({name}))

    def _copied(self, kind: str, number: int, name: str, to: str) -> Fault:
        how = list(SPOILT)[number % len(SPOILT)]
        spoil, quality = SPOILT[how]
        file, data = self._some(self.inside[name])
        ok, copy = cv2.imencode(".jpg", spoil(decode_image(data)), [cv2.IMWRITE_JPEG_QUALITY, quality])
        assert ok
        made = f"copy, {how}.jpg"
        self.inside[to][made] = copy.tobytes()
        photos = frozenset({f"{name}/{file}"}), frozenset({f"{to}/{made}"})
        return Fault(kind, photos, photos[1], frozenset({name, to}))

    def _some(self, files: dict[str, bytes]) -> tuple[str, bytes]:
        return list(files.items())[int(self._random.integers(len(files)))]


def _paths(name: str, files: dict[str, bytes]) -> frozenset[str]:
    return frozenset(f"{name}/{file}" for file in files)


def looked_at(people: People, models: Models) -> tuple[Findings, frozenset[str]]:
    """The findings of the people as a folder of photos, and the photos that the alignment accepted."""
    with tempfile.TemporaryDirectory() as folder:
        photos, out = Path(folder) / "photos", Path(folder) / "out"
        for name, files in people.items():
            (photos / name).mkdir(parents=True)
            for file, data in files.items():
                (photos / name / file).write_bytes(data)
        align_photos(
            Photos(photos), out, models.analyzer, AlignOptions(), workers=models.workers, steps=silent
        )
        findings, _ = alignment_report(out, models, already=False, keep=False, steps=silent)
        origins = Origins(out, opened(out).records)
        return findings, frozenset(origins[record] for record in range(findings.looked.records))


def is_found(fault: Fault, findings: Findings) -> bool:
    """Whether a finding of its own kind is about it."""
    one, other = fault.needs
    if fault.kind.startswith("copy"):
        return any(one | other <= names_of(copies) for copies in findings.copies)
    if fault.kind == "merged":
        return any(found.identity in fault.identities for found in findings.merged)
    if fault.kind == "split":
        return any({found.keep.identity, found.move.identity} == fault.identities for found in findings.split)
    return any(found.face.name in fault.strange for found in findings.outliers)


def misplaced(fault: Fault, findings: Findings, accepted: frozenset[str]) -> int:
    """Of a merged identity that was found: faces that stand with the other person."""
    (found,) = (found for found in findings.merged if found.identity in fault.identities)
    parted = {face.name for group in found.others for face in group}
    return min(len(parted ^ (group & accepted)) for group in fault.needs)


def names_of(copies: Copies) -> frozenset[str]:
    return frozenset(face.name for face in copies.faces)


def other_alarms(findings: Findings, faults: list[Fault]) -> Iterator[str]:
    """Every finding that no fault explains, in words."""
    strange = frozenset[str]().union(*(fault.strange for fault in faults))
    merged = frozenset[str]().union(*(fault.identities for fault in faults if fault.kind == "merged"))
    halves = [fault.identities for fault in faults if fault.kind == "split"]
    touched = frozenset[str]().union(*(fault.identities for fault in faults))
    for copies in findings.copies:
        if not names_of(copies) & strange:
            yield f"copies: {' = '.join(sorted(names_of(copies)))}"
    for outlier in findings.outliers:
        if outlier.face.name not in strange:
            yield f"outlier: {outlier.face.name}, cosine {outlier.cosine}, resembles {outlier.resembles}"
    for home in findings.merged:
        if home.identity not in merged:
            yield f"merged: {home.identity}, {', '.join(group[0].name for group in home.others)}"
    for split in findings.split:
        if {split.keep.identity, split.move.identity} not in halves:
            yield f"split: {split.keep.identity} and {split.move.identity}, cosine {split.cosine}"
    for doubt in findings.doubtful:
        if doubt.identity not in touched:
            yield f"in doubt: {doubt.identity}"


def measured(known: People, people: int, each: int, seed: int, models: Models) -> dict[str, object]:
    planting = Planting(known, people, seed)
    clean, _ = looked_at(planting.inside, models)
    kinds = (planting.copy, planting.copy_across, planting.merged, planting.split, planting.wrong)
    faults = [plant(number) for plant in kinds for number in range(each)]
    findings, accepted = looked_at(planting.inside, models)
    doubted = {one.identity for one in findings.doubtful}
    counts: dict[str, Counter[str]] = {}
    missed = []
    for fault in faults:
        count = counts.setdefault(fault.kind, Counter(planted=0, in_the_set=0, found=0, in_doubt=0))
        count["planted"] += 1
        if any(len(group & accepted) < fault.least for group in fault.needs):
            continue
        count["in_the_set"] += 1
        if is_found(fault, findings):
            count["found"] += 1
            if fault.kind == "merged":
                count["faces_misplaced"] += misplaced(fault, findings, accepted)
        else:
            count["in_doubt"] += bool(fault.identities & doubted)
            missed.append(f"{fault.kind}: {', '.join(sorted(fault.strange or fault.identities))}")
    told = clean.aligned
    assert told is not None
    return {
        "faults": counts,
        "missed": missed,
        "other_alarms_without_faults": list(other_alarms(clean, [])),
        "other_alarms_with_faults": list(other_alarms(findings, faults)),
        "photos": {"given": told.photos, "accepted": told.accepted, **told.rejected},
        "set": {"faces": clean.looked.records, "identities": clean.looked.identities},
        "levels": clean.looked.levels,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=300)
    parser.add_argument("--each", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    known = known_people()
    if 6 * options.each > options.people or options.people + 2 * options.each > len(known):
        parser.error(
            f"{options.each} of each fault take {6 * options.each} identities of the set and {2 * options.each} "
            f"beside it; {options.people} of {len(known)} were to be the set"
        )
    models = load_models("default", options.workers, 0.1)
    result = measured(known, options.people, options.each, options.seed, models)
    if options.json:
        print(json.dumps(result, indent=1))
        return
    for name, found in result.items():
        if isinstance(found, dict):
            print(f"{name}:")
            for key, value in found.items():
                print(f"  {key}: {dict(value) if isinstance(value, Counter) else value}")
        elif isinstance(found, list):
            print("\n  ".join([f"{name}: {len(found)}", *found]))


if __name__ == "__main__":
    main()
