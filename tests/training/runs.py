"""Small runs on real faces: data, settings and what a run left behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from evaluation.datasets.att import att_faces
from training.config import RunConfig, checked
from training.data.folder import ImageFolder
from training.data.shard_writer import write_shards
from training.journal import read_lines
from training.ranks import Ranks
from training.trainer import Run
from training.watch import Stepped, Watch

VIT = {"width": 32, "depth": 2, "heads": 2, "patch": 28, "stochastic_depth": 0.0}
TABLES: dict[str, dict[str, Any]] = {
    "model": {"backbone": "vit-t", "dimension": 16, "settings": VIT},
    "loss": {"name": "coco"},
    "optimisation": {"batch": 24, "steps": 8, "lr": 0.05},
}


def att_folder(folder: Path, people: int = 12) -> Path:
    """AT&T's first people as crops, a folder each; these photos show little beside the face."""
    for photo in att_faces():
        if photo.person <= people:
            face = cv2.resize(cv2.imread(str(photo.path)), (112, 112))
            path = folder / f"person-{photo.person:02d}" / f"{photo.number:02d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), face)
    return folder


def att_shards(folder: Path, people: int = 12) -> Path:
    write_shards(folder / "shards", ImageFolder(att_folder(folder / "photos", people)), per_shard=50)
    return folder / "shards"


def settings(records: Path, **tables: Any) -> RunConfig:
    tree: dict[str, Any] = {"data": {"records": str(records)}, "threads": 1, "device": "cpu"}
    for name in TABLES.keys() | tables.keys():
        value = tables.get(name, {})
        tree[name] = (
            {**TABLES.get(name, {}), **tree.get(name, {}), **value} if isinstance(value, dict) else value
        )
    return checked(tree)


class Told(Watch):
    """Remembers what a run said."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.steps: list[Stepped] = []
        self.accuracies: list[float] = []

    def said(self, text: str) -> None:
        self.words.append(text)

    def stepped(self, step: Stepped) -> None:
        self.steps.append(step)

    def validated(self, step: int, name: str, accuracy: float) -> None:
        self.accuracies.append(accuracy)


def go(config: RunConfig, folder: Path, ranks: Ranks | None = None) -> Told:
    told = Told()
    Run(config, folder, ranks or Ranks(alone=True), told).go()
    return told


def losses(folder: Path) -> list[float]:
    """By step, each there once."""
    lines = [line for line in read_lines(folder) if "loss" in line]
    assert [line["step"] for line in lines] == list(range(len(lines)))
    return [line["loss"] for line in lines]


def pair_folder(photos: Path, folder: Path, people: int, folds: int = 4) -> Path:
    """A pair set of crops as LFW lays it out: each fold as many genuine pairs as impostor ones."""
    draw = np.random.default_rng(0)
    each = 12
    lines = [f"{folds}\t{each}"]
    for _ in range(folds):
        lines += [
            f"p{int(draw.integers(people))}\t{one}\t{one + 5}" for one in draw.integers(1, 6, each).tolist()
        ]
        for _ in range(each):
            one, other = draw.choice(people, 2, replace=False).tolist()
            lines.append(f"p{one}\t{int(draw.integers(1, 11))}\tp{other}\t{int(draw.integers(1, 11))}")
    folder.mkdir()
    (folder / "pairs.txt").write_text("\n".join(lines) + "\n")
    for at in range(people):
        for number in range(1, 11):
            target = folder / "lfw" / f"p{at}" / f"p{at}_{number:04d}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            image = cv2.imread(str(photos / f"person-{at + 1:02d}" / f"{number:02d}.png"))
            cv2.imwrite(str(target), image)
    return folder
