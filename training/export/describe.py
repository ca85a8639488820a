"""A pack's model.toml, written from what its exporter knows; exports and measures nothing."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from faces.manifest import MANIFEST, DetectorSpec, Precision
from faces.pack import DEFAULT, load_pack
from faces.pack_source import published_file
from training.backbones.registry import SIDE
from training.export.errors import ExportError
from training.export.graph import InputLayout

GRAPH, DETECTOR = "embedder.onnx", "detector.onnx"


@dataclass(frozen=True)
class Description:
    """What a pack says of itself. name: also of its templates' space. data: what the network was trained on: the
    set, its images and identities, and by which licence or consent. training: the run's settings and circumstances.

    ExportError where licence or data say nothing.
    """

    name: str
    licence: str
    data: str
    training: dict[str, Any]

    def __post_init__(self) -> None:
        for what, text in (("licence", self.licence), ("data statement", self.data)):
            if not text.strip():
                raise ExportError(
                    f"the {what} is empty; a pack says whose faces it learned from, and what it allows"
                )


@dataclass(frozen=True)
class Embedding:
    """What was made. dimension: D. precision, cost, accuracy: as in faces.manifest.Training."""

    dimension: int
    layout: InputLayout
    precision: Precision
    cost: str | None = None
    accuracy: str | None = None


def write_manifest(folder: Path, about: Description, made: Embedding, detector: dict[str, Any]) -> None:
    """Write model.toml for the graph that lies in `folder`. detector: as `place_detector` returns it."""
    training: dict[str, Any] = {
        "cocircle": version("cocircle"),
        "data": about.data,
        "config": json.dumps(about.training, sort_keys=True),
        "precision": made.precision,
        "cost": made.cost,
        "accuracy": made.accuracy,
    }
    tables: dict[str, dict[str, Any]] = {
        "pack": {
            "name": about.name,
            "version": "1",
            "description": f"trained by Cocircle, {made.dimension} dimensions, {made.precision}",
            "licence": about.licence,
        },
        "detector": detector,
        "embedder": {
            "name": about.name,
            "file": GRAPH,
            "sha256": hashlib.sha256((folder / GRAPH).read_bytes()).hexdigest(),
            "input": SIDE,
            "layout": made.layout,
            "template": "arcface-112",
            "dimension": made.dimension,
            "flip": False,
            "licence": about.licence,
            "origin": "trained by whoever exported this pack; see [training]",
        },
        "training": {key: value for key, value in training.items() if value is not None},
    }
    (folder / MANIFEST).write_text(_toml(tables), "utf-8")


def place_detector(folder: Path, pack: str | Path) -> dict[str, Any]:
    """The [detector] table that takes a pack's detector, by its name or folder; its file copied into `folder`.

    The built-in default pack is named, not copied: it is wherever a pack can be loaded. PackError where there is no
    such pack.
    """
    if str(pack) == DEFAULT:
        return {"pack": DEFAULT}
    loaded = load_pack(pack)
    spec = loaded.manifest.detector
    if not isinstance(spec, DetectorSpec):
        return place_detector(folder, spec)
    shutil.copyfile(published_file(spec.model, loaded.manifest_path.parent), folder / DETECTOR)
    return {
        "kind": spec.kind,
        "file": DETECTOR,
        "sha256": spec.model.sha256,
        "clean": spec.model.clean,
        "input": spec.input,
        "channels": spec.normalisation.channels,
        "mean": spec.normalisation.mean,
        "std": spec.normalisation.std,
        "score": spec.score,
        "iou": spec.iou,
        "licence": spec.model.licence,
        "origin": spec.model.origin,
    }


def _toml(tables: dict[str, dict[str, Any]]) -> str:
    return (
        "\n\n".join(
            "\n".join([f"[{name}]", *(f"{key} = {_value(value)}" for key, value in values.items())])
            for name, values in tables.items()
        )
        + "\n"
    )


def _value(value: Any) -> str:
    # JSON's texts, numbers, lists and truth values are TOML's, but for the one control character JSON lets stand.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
