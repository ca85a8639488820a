"""What was measured, a line of JSON for each finished pair of loss and seed; the same call again does the others."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

from training.reproduce.errors import ReproductionError

LINES = "results.jsonl"


@dataclass(frozen=True)
class Result:
    """A finished pair. settings: all that decides the outcome, but for the versions. error, error_by_means: in %.

    error is None where the loss has no classifier of its own.
    """

    loss: str
    seed: int
    error: float | None
    error_by_means: float
    wrong: int | None
    wrong_by_means: int
    tested: int
    seconds: float
    losses: list[float]
    skipped: int
    settings: dict[str, Any]
    versions: dict[str, str]


def versions() -> dict[str, str]:
    """Of what computes here."""
    found = {name: version(name) for name in ("cocircle", "torch", "numpy", "opencv-python-headless")}
    return {**found, "machine": platform.machine()}


def append(folder: Path, result: Result) -> None:
    """Add a line and have it on the disk. Several processes may add to one folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LINES
    line = json.dumps(asdict(result), allow_nan=False) + "\n"
    with path.open("ab+") as file:
        # After a crash the last line may be half a line; the reader leaves it out, and it must stay by itself.
        if file.tell() and not _ends_a_line(path):
            line = "\n" + line
        file.write(line.encode())
        file.flush()
        os.fsync(file.fileno())


def read(folder: Path) -> list[Result]:
    """The finished pairs in order; half a line that a crash left is left out.

    ReproductionError names a whole line that is no result.
    """
    path = folder / LINES
    if not path.exists():
        return []
    names = {field.name for field in fields(Result)}
    found = []
    for number, line in enumerate(path.read_text("utf-8").split("\n"), 1):
        try:
            tree = json.loads(line)
        except ValueError:
            continue
        if not isinstance(tree, dict) or tree.keys() != names:
            raise ReproductionError(
                f"line {number} of {path} is no result of this command; give it another folder"
            )
        found.append(Result(**tree))
    return found


def _ends_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"
