"""A trained network -> a model pack's folder, whole or not there; trains nothing and knows no run."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from evaluation.datasets.lfw import open_lfw
from evaluation.lfw_run import LfwRun, Report, run_lfw
from faces.analyzer import Analyzer
from faces.embed import Embedder
from faces.manifest import MANIFEST, write_calibration
from faces.pack import load_pack
from faces.session import Session
from training.atomic import sync_folder
from training.backbones.registry import SIDE, Backbone
from training.export.check import Agreement, check_crops, check_equal, compare, network_rows
from training.export.errors import ExportError
from training.export.graph import InputLayout, core, whole
from training.export.half import halved

GRAPH = "embedder.onnx"


@dataclass(frozen=True)
class Description:
    """What a pack says of itself. name: also of its templates' space. data: what the network was trained on: the
    set, its images and identities, and by which licence or consent. training: the run's settings and circumstances.
    """

    name: str
    licence: str
    data: str
    training: dict[str, Any]


@dataclass(frozen=True)
class Exported:
    """A pack that stands. agreement: of its graph with the network. lfw: where it was calibrated, else None."""

    folder: Path
    contract_id: str
    agreement: Agreement
    lfw: LfwRun | None


def export_pack(
    network: Backbone,
    folder: Path,
    about: Description,
    crops: NDArray[np.uint8],
    *,
    precision: Literal["fp32", "fp16"] = "fp32",
    layout: InputLayout = "nhwc-uint8",
    lfw: Path | None = None,
    report: Report | None = None,
    replace: bool = False,
) -> Exported:
    """Export, compare with the network on real crops (N, 112, 112, 3) uint8, calibrate, and only then take the name.

    lfw: a folder as `cocircle evaluate lfw --data` takes it; without it the pack has no false match rates. replace:
    an existing pack there. ExportError, PackError or DatasetError say what stands in the way; then nothing is left.
    """
    check_crops(crops)
    _check_free(folder, replace)
    inner = core(network)
    graph = whole(
        inner if precision == "fp32" else halved(inner), layout, precision=precision
    ).SerializeToString()
    with _growing(folder, replace) as growing:
        (growing / GRAPH).write_bytes(graph)
        unknown = None if precision == "fp32" else "not compared yet"
        _write_manifest(growing, network, about, graph, layout, precision, unknown)
        agreement = compare(network_rows(network, crops), _pack_rows(growing, crops))
        if precision == "fp32":
            check_equal(agreement)
        else:
            _write_manifest(growing, network, about, graph, layout, precision, str(agreement))
        measured = None
        if lfw is not None and report is not None:
            pack = load_pack(growing)
            measured = run_lfw(pack, Analyzer, open_lfw(lfw), report, calibrate=True, use_cache=False)
            assert measured.calibration is not None
            write_calibration(growing / MANIFEST, measured.calibration.calibration)
    return Exported(folder, load_pack(folder).contract_id, agreement, measured)


def _pack_rows(folder: Path, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """By the way a service takes."""
    pack = load_pack(folder)
    return Embedder(Session(pack.embedder_file), pack.embedder).embed(crops)


def _write_manifest(
    folder: Path,
    network: Backbone,
    about: Description,
    graph: bytes,
    layout: InputLayout,
    precision: str,
    cost: str | None,
) -> None:
    tables: dict[str, dict[str, Any]] = {
        "pack": {
            "name": about.name,
            "version": "1",
            "description": f"trained by Cocircle, {network.dimension} dimensions, {precision}",
            "licence": about.licence,
        },
        "detector": {"pack": "default"},
        "embedder": {
            "name": about.name,
            "file": GRAPH,
            "sha256": hashlib.sha256(graph).hexdigest(),
            "input": SIDE,
            "layout": layout,
            "template": "arcface-112",
            "dimension": network.dimension,
            "flip": False,
            "licence": about.licence,
            "origin": "trained by whoever exported this pack; see [training]",
        },
        "training": {
            "cocircle": version("cocircle"),
            "data": about.data,
            "config": json.dumps(about.training, sort_keys=True),
            "precision": precision,
        },
    }
    if cost is not None:
        tables["training"]["cost"] = cost
    (folder / MANIFEST).write_text(_toml(tables), "utf-8")


def _toml(tables: dict[str, dict[str, Any]]) -> str:
    # A JSON string, number or truth value is the same in TOML.
    lines = [
        "\n".join(
            [
                f"[{name}]",
                *(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()),
            ]
        )
        for name, values in tables.items()
    ]
    return "\n\n".join(lines) + "\n"


def _check_free(folder: Path, replace: bool) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ExportError(f"{folder} is a file; give a folder for the pack")
    if any(folder.iterdir()) and not (replace and (folder / MANIFEST).is_file()):
        raise ExportError(
            f"{folder} is not empty; choose another folder, or --replace if it holds a pack that is to go"
        )


@contextmanager
def _growing(folder: Path, replace: bool) -> Iterator[Path]:
    """A folder beside `folder` that takes its name at the end; after an error nothing is left of it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    growing = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        yield growing
        growing.chmod(0o755)
        for path in growing.iterdir():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        sync_folder(growing)
        _take_name(growing, folder, replace)
    finally:
        shutil.rmtree(growing, ignore_errors=True)


def _take_name(growing: Path, folder: Path, replace: bool) -> None:
    former = folder.with_name(f".{folder.name}-former-{secrets.token_hex(4)}")
    if replace and folder.exists():
        folder.rename(former)
    growing.rename(folder)
    sync_folder(folder.parent)
    shutil.rmtree(former, ignore_errors=True)
