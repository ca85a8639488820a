"""A trained network -> a model pack's folder, whole or not there; trains nothing and knows no run."""

from __future__ import annotations

import dataclasses
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.datasets.lfw import Lfw, open_lfw
from evaluation.embedding.sources import Report, silent
from evaluation.lfw.run import LfwRun, run_lfw
from faces.analyzer import Analyzer
from faces.embed import Embedder
from faces.manifest import MANIFEST, PackError, Precision, write_calibration
from faces.pack import DEFAULT, load_pack
from faces.session import Session
from training.backbones.registry import Backbone
from training.export.check import Agreement, check_crops, check_equal, compare, network_rows
from training.export.cost import Cost, cost
from training.export.describe import GRAPH, Description, Embedding, place_detector, write_manifest
from training.export.errors import ExportError
from training.export.graph import InputLayout, core
from training.export.place import check_free, growing
from training.export.precision import graph_in

__all__ = ["Description", "Exported", "export_pack"]

Crops = NDArray[np.uint8]


@dataclass(frozen=True)
class Exported:
    """A pack that stands. agreement: of its graph with the network. cost: None for fp32. lfw: where it was
    calibrated, else None.
    """

    folder: Path
    contract_id: str
    agreement: Agreement
    cost: Cost | None
    lfw: LfwRun | None


@dataclass(frozen=True)
class _Source:
    """What every graph of one export is made from. inner: the network as graph.core gives it."""

    inner: Any
    about: Description
    layout: InputLayout
    detector: str | Path
    dimension: int


def export_pack(
    network: Backbone,
    folder: Path,
    about: Description,
    crops: Crops,
    *,
    precision: Precision = "fp32",
    layout: InputLayout = "nhwc-uint8",
    detector: str | Path = DEFAULT,
    lfw: Path | None = None,
    report: Report | None = None,
    replace: bool = False,
) -> Exported:
    """Export, compare with the network on real crops (N, 112, 112, 3) uint8, calibrate, and only then take the name.

    precision: of weights and computation. fp16 is for GPUs: a CPU computes it in float32 and loses time. For int8
    every second crop tells the ranges of activations, and the others are compared. What both cost is measured and
    stands in the manifest. detector: name or folder of the pack whose detector it takes. lfw: a folder as `cocircle
    evaluate lfw --data` takes it, to calibrate on; without it the pack has no false match rates. report: of LFW's
    progress. replace: an existing pack there. ExportError, PackError or DatasetError say what stands in the way;
    then nothing is left.
    """
    folder = folder.resolve()
    check_free(folder, replace)
    ranges, compared = _parted(crops, precision)
    protocol = None if lfw is None else open_lfw(lfw)
    source = _Source(core(network), about, layout, detector, network.dimension)
    with growing(folder, replace) as fresh:
        made = _place(source, fresh, precision, ranges)
        agreement = compare(network_rows(network, compared), _pack_rows(fresh, compared))
        if precision == "fp32":
            check_equal(agreement)
        measured = None if protocol is None else _on_lfw(fresh, protocol, report)
        spent = None
        if precision != "fp32":
            spent = _cost(source, fresh, agreement, compared, measured, protocol, report)
        _state(source, fresh, made, spent, measured)
    return Exported(folder, load_pack(folder).contract_id, agreement, spent, measured)


def _parted(crops: Crops, precision: Precision) -> tuple[Crops, Crops]:
    """Crops that a graph is made with, and those that it is compared on."""
    check_crops(crops)
    if precision != "int8":
        return crops[:0], crops
    if len(crops) < 2:
        raise ExportError(
            "int8 takes two crops or more: some for the ranges of activations, others to compare"
        )
    return crops[::2], crops[1::2]


def _place(source: _Source, folder: Path, precision: Precision, ranges: Crops) -> Embedding:
    """Writes a loadable pack into `folder`, its cost not yet measured."""
    (folder / GRAPH).write_bytes(graph_in(source.inner, precision, source.layout, ranges))
    unknown = None if precision == "fp32" else "not measured yet"
    made = Embedding(source.dimension, source.layout, precision, unknown)
    write_manifest(folder, source.about, made, place_detector(folder, source.detector))
    return made


def _state(
    source: _Source, folder: Path, made: Embedding, spent: Cost | None, measured: LfwRun | None
) -> None:
    """Writes into the manifest what was measured."""
    accuracy = None
    if measured is not None:
        found = measured.figures.accuracy.mean
        accuracy = (
            f"LFW {100 * found:.2f} % of {measured.pairs:,} pairs, ten folds, {measured.images:,} photos"
        )
    stated = dataclasses.replace(made, cost=None if spent is None else str(spent), accuracy=accuracy)
    write_manifest(folder, source.about, stated, place_detector(folder, source.detector))
    if measured is not None and measured.calibration is not None:
        write_calibration(folder / MANIFEST, measured.calibration.calibration)


def _pack_rows(folder: Path, crops: Crops) -> NDArray[np.float32]:
    """By the way a service takes."""
    pack = load_pack(folder)
    try:
        return Embedder(Session(pack.embedder_file), pack.embedder).embed(crops)
    except PackError:
        raise
    except ValueError as error:
        raise ExportError(f"the exported graph gives no embeddings: {error}") from error


def _cost(
    source: _Source,
    folder: Path,
    agreement: Agreement,
    crops: Crops,
    measured: LfwRun | None,
    protocol: Lfw | None,
    report: Report | None,
) -> Cost:
    """The pack in `folder` beside one in float32, which nobody keeps."""
    with tempfile.TemporaryDirectory(prefix="cocircle-fp32-") as other:
        plain = Path(other)
        _place(source, plain, "fp32", crops[:0])
        accuracy = None
        if measured is not None and protocol is not None:
            before = _on_lfw(plain, protocol, report, calibrate=False)
            accuracy = (measured.figures.accuracy.mean, before.figures.accuracy.mean)
        return cost(folder, plain, agreement, crops, accuracy)


def _on_lfw(folder: Path, protocol: Lfw, report: Report | None, *, calibrate: bool = True) -> LfwRun:
    # Nothing of it is worth keeping: the next export has other weights.
    return run_lfw(
        load_pack(folder), Analyzer, protocol, report or silent, calibrate=calibrate, use_cache=False
    )
