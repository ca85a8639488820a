"""What a run writes down: a line of JSON a step, TensorBoard's events, and a curve at the end; decides nothing.

Only the first rank keeps one. After a resume from step n the lines of step n and later
are dropped: they will be written again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from evaluation.report.svg import Axis, Curve, picture
from training.atomic import replaced

LINES = "steps.jsonl"
PICTURE = "loss.svg"
POINTS = 400
"""Of a curve; longer runs are averaged over stretches of steps."""


class Journal:
    """The record of one run's folder, open for writing."""

    def __init__(self, folder: Path, first_step: int) -> None:
        """first_step: the next step that will be written."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        kept = [line for line in read_lines(folder) if line["step"] < first_step]
        with replaced(folder / LINES) as file:
            file.write("".join(json.dumps(line) + "\n" for line in kept).encode())
        self._lines = (folder / LINES).open("a", encoding="utf-8", buffering=1)
        self._events = SummaryWriter(str(folder / "tensorboard"), purge_step=first_step)

    def write(self, step: int, **values: float) -> None:
        """One step's values, by name."""
        self._lines.write(json.dumps({"step": step, **values}) + "\n")
        for name, value in values.items():
            self._events.add_scalar(name, value, step)

    def close(self) -> None:
        """Close the files and draw the loss."""
        self._lines.close()
        self._events.close()
        curve = [(line["step"], line["loss"]) for line in read_lines(self.folder) if "loss" in line]
        if len(curve) > 1:
            (self.folder / PICTURE).write_text(loss_picture({"": curve}), "utf-8")

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_lines(folder: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a run's record, in order; a last line that a crash cut off is left out."""
    path = folder / LINES
    if not path.exists():
        return
    with path.open(encoding="utf-8") as file:
        for line in file:
            if line.endswith("\n"):
                yield json.loads(line)


def loss_picture(curves: dict[str, Sequence[tuple[int, float]]]) -> str:
    """SVG of losses by step, one curve a name; losses that are not finite are left out."""
    drawn = {name: _averaged([p for p in points if math.isfinite(p[1])]) for name, points in curves.items()}
    every = [point for points in drawn.values() for point in points]
    across = Axis("step", 0.0, max(1.0, max((x for x, _ in every), default=0.0)))
    up = Axis("loss", 0.0, 1.05 * max(1e-6, max((y for _, y in every), default=0.0)))
    return picture(
        "Loss by step",
        across,
        up,
        [Curve(name, points, colour=at) for at, (name, points) in enumerate(drawn.items())],
    )


def _averaged(points: Sequence[tuple[int, float]]) -> list[tuple[float, float]]:
    width = max(1, math.ceil(len(points) / POINTS))
    stretches = [points[at : at + width] for at in range(0, len(points), width)]
    return [(sum(x for x, _ in part) / len(part), sum(y for _, y in part) / len(part)) for part in stretches]
