"""MobileFaceNet from scratch on CelebA faces by several losses on equal terms: loss curves and accuracy on LFW.

`python -m benchmarks.losses [NAME ...] [--epochs 5] [--out runs/losses] [--data ../shared/data]`: a run for each name
(minutes an epoch on two cores; it may be stopped and started again), then a table, and a picture of accuracy by
step. Everything but the loss is the same: network, seed, order of images, rates, augmentation.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from statistics import median
from typing import Any

from evaluation.report.svg import Axis, Curve, picture
from training.config import RunConfig, checked
from training.journal import read_lines
from training.ranks import Ranks
from training.trainer import Run
from training.watch import Stepped, Watch

LOSSES: dict[str, dict[str, Any]] = {
    "softmax": {"name": "softmax"},
    "arcface": {"name": "arcface"},
    "am-softmax": {"name": "am-softmax"},
    "coco": {"name": "coco"},
    "circle": {"name": "circle"},
    "arcface + distillation": {"name": "arcface", "distillation": 20.0, "teacher": "retail-0095"},
}
BATCH = 64


def config_of(loss: dict[str, Any], data: Path, epochs: float, threads: int) -> RunConfig:
    return checked(
        {
            "data": {"records": str(data / "celeba-faces")},
            "model": {"backbone": "mobilefacenet", "dimension": 256},
            "loss": loss,
            "optimisation": {"batch": BATCH, "epochs": epochs, "lr": 0.1, "amp": "bf16"},
            "validation": {"pairs": {"lfw": str(data / "lfw")}, "every": 461},
            "saving": {"every": 200},
            "threads": threads,
        }
    )


class Lines(Watch):
    """A line now and then."""

    def __init__(self, name: str) -> None:
        self.name = name

    def stepped(self, step: Stepped) -> None:
        if step.step % 50 == 0:
            speed = f"{step.images_per_second:.0f} images/s"
            print(f"{self.name}: step {step.step} loss {step.loss:.3f} {speed}", flush=True)

    def validated(self, step: int, name: str, accuracy: float) -> None:
        print(f"{self.name}: step {step} {name} {accuracy:.4f}", flush=True)


def row(name: str, folder: Path) -> str:
    lines = list(read_lines(folder))
    losses = [line["loss"] for line in lines if "loss" in line]
    speeds = [line["images_per_second"] for line in lines if "loss" in line]
    accuracies = [line["lfw"] for line in lines if "lfw" in line]
    last = sum(losses[-100:]) / len(losses[-100:])
    seen = " ".join(f"{100 * one:.2f}" for one in accuracies)
    return f"| {name} | {losses[0]:.2f} | {last:.2f} | {seen} | {median(speeds):.0f} |"


def accuracy_picture(out: Path, names: list[str]) -> str:
    curves = []
    for at, name in enumerate(names):
        points = [(line["step"] + 1, 100 * line["lfw"]) for line in read_lines(out / name) if "lfw" in line]
        curves.append(Curve(name, points, colour=at))
    most = max(x for curve in curves for x, _ in curve.points)
    return picture("Accuracy on LFW by step", Axis("step", 0, most), Axis("%", 50, 100), curves)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(LOSSES))
    parser.add_argument("--epochs", type=float, default=5.0)
    parser.add_argument("--out", type=Path, default=Path("runs/losses"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    for name in asked.names:
        config = config_of(LOSSES[name], asked.data, asked.epochs, asked.threads)
        Run(config, asked.out / name, Ranks(), Lines(name)).go()
    print("| loss | first | mean of the last 100 steps | LFW, % | images/s |\n|---|---|---|---|---|")
    for name in asked.names:
        print(row(name, asked.out / name))
    (asked.out / "accuracy.svg").write_text(accuracy_picture(asked.out, asked.names), "utf-8")


if __name__ == "__main__":
    main()
