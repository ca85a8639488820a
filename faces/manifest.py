"""model.toml: what a model pack says of itself, read strictly. Touches no model file."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from faces.calibration import Calibration

MANIFEST = "model.toml"

Triple = tuple[float, float, float]
Channels = Literal["bgr", "rgb"]
Layout = Literal["nchw", "nhwc-uint8", "nchw-uint8"]
Precision = Literal["fp32", "fp16", "int8"]


class PackError(ValueError):
    """A model pack that cannot be used; the message names file, key and value, and what to do."""


class MissingFileError(PackError):
    """A file that the manifest names is not there; the message says where to get it."""


@dataclass(frozen=True)
class ModelFile:
    """One ONNX file of a pack.

    file: its name in the pack's folder or, with `distribution`, its path inside that installed Python
    distribution (found without importing it). sha256: of the file as published. clean: rewrite it once into
    the cache (see clean_onnx) before use.
    """

    file: str
    sha256: str
    licence: str
    origin: str
    distribution: str | None = None
    clean: bool = False


@dataclass(frozen=True)
class Normalisation:
    """Pixels 0..255 in `channels` order become (pixel - mean) / std, NCHW float32."""

    channels: Channels
    mean: Triple
    std: Triple


AS_CROPS = Normalisation("bgr", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
"""Of an embedder whose graph takes pixels as crops hold them: nothing is done to them outside."""


@dataclass(frozen=True)
class DetectorSpec:
    """input: longest side it is given, pixels, a multiple of 32. score, iou: its thresholds, 0..1."""

    kind: Literal["yunet", "scrfd"]
    model: ModelFile
    input: int
    normalisation: Normalisation
    score: float
    iou: float


@dataclass(frozen=True)
class EmbedderSpec:
    """input: side of the square crop, pixels; the 112 template is scaled by input / 112.

    layout: what the graph takes: "nchw", float32 planes made by the normalisation; or the crops themselves, blue
    green red, "nhwc-uint8" (N, S, S, 3) or "nchw-uint8" (N, 3, S, S), and then the normalisation is AS_CROPS,
    for the graph holds it. dimension: D of the output. flip: average with the embedding of the mirrored crop.
    """

    name: str
    model: ModelFile
    input: int
    normalisation: Normalisation
    layout: Layout
    template: Literal["arcface-112"]
    dimension: int
    flip: bool


@dataclass(frozen=True)
class Training:
    """Where an embedder's weights come from, in the words of whoever trained it.

    cocircle: version that exported it. data: what it was trained on: the set, its images and identities, and by
    which licence or consent. config: the run's settings, one JSON object. precision: of the graph's weights;
    cost: what it took from the float32 network and how that was measured, None for "fp32" alone. accuracy: as
    measured at export, or None.
    """

    cocircle: str
    data: str
    config: str
    precision: Precision
    cost: str | None
    accuracy: str | None


@dataclass(frozen=True)
class Manifest:
    """A whole model.toml. detector: its own, or the name of the pack whose detector it uses.

    training: None where the pack does not tell.
    """

    name: str
    version: str
    description: str
    licence: str
    detector: DetectorSpec | str
    embedder: EmbedderSpec
    calibration: Calibration | None
    training: Training | None = None

    @property
    def contract_id(self) -> str:
        """Names the space its templates live in: embedder's name and 12 hex digits.

        Hashed is what changes an embedding of the same aligned crop: the embedder's file, input size,
        normalisation, layout, alignment template, flip, dimension. The detector is not part of it: its landmarks move
        a crop by a fraction of a pixel, as another photo would, and the templates remain comparable. Nor are
        calibration, training, licence, description, version and places of files.
        """
        spec = self.embedder
        text = json.dumps(
            {
                "sha256": spec.model.sha256,
                "input": spec.input,
                "channels": spec.normalisation.channels,
                "mean": spec.normalisation.mean,
                "std": spec.normalisation.std,
                "layout": spec.layout,
                "template": spec.template,
                "dimension": spec.dimension,
                "flip": spec.flip,
            },
            sort_keys=True,
        )
        return f"{spec.name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def read_manifest(path: Path) -> Manifest:
    """Read and check a model.toml. Raises PackError naming the file, the key and its value."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise PackError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PackError(f"{path}: not valid TOML: {error}") from error
    top = _Table(path, "", tree)
    pack = top.table("pack")
    manifest = Manifest(
        name=pack.text("name", r"[a-z0-9][a-z0-9._-]{0,62}"),
        version=pack.text("version"),
        description=pack.text("description"),
        licence=pack.text("licence"),
        detector=_detector(top.table("detector")),
        embedder=_embedder(top.table("embedder")),
        calibration=_calibration(top.table("calibration")) if "calibration" in tree else None,
        training=_training(top.table("training")) if "training" in tree else None,
    )
    pack.done()
    top.done()
    return manifest


def write_calibration(path: Path, calibration: Calibration) -> None:
    """Rewrite only the [calibration] table of a model.toml (added where there is none), atomically.

    Every other byte of the file stays. Raises PackError where the file is no valid manifest or not writable.
    """
    read_manifest(path)
    text = path.read_text("utf-8")
    table = "\n".join(
        (
            "[calibration]",
            f"data = {json.dumps(calibration.data, ensure_ascii=False)}",
            f"pairs = {calibration.pairs}",
            f"floor = {calibration.floor!r}",
            f"cosines = [{_numbers(calibration.cosines)}]",
            f"log10_fmr = [{_numbers(calibration.log10_fmr)}]",
            "",
        )
    )
    found = re.search(r"^\[calibration\][^\n]*\n(?:(?!\[)[^\n]*(?:\n|\Z))*", text, re.MULTILINE)
    if found is None:
        text = text.rstrip("\n") + "\n\n" + table
    else:
        rest = text[found.end() :]
        text = text[: found.start()] + table + ("\n" + rest if rest else "")
    try:
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=".model-", delete=False
        ) as out:
            out.write(text)
        try:
            read_manifest(Path(out.name))
            Path(out.name).chmod(path.stat().st_mode & 0o777)
            os.replace(out.name, path)
        except BaseException:
            os.unlink(out.name)
            raise
    except OSError as error:
        raise PackError(f"{path}: cannot be written: {error.strerror}") from error


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{float(value):.9g}" if value else "0.0" for value in values)


def _detector(table: _Table) -> DetectorSpec | str:
    if "pack" in table.values:
        name = table.text("pack")
        table.done()
        return name
    spec = DetectorSpec(
        kind=table.choice("kind", ("yunet", "scrfd")),
        model=_model(table),
        input=table.whole("input", 32, 4096),
        normalisation=_normalisation(table),
        score=table.real("score", 0, 1),
        iou=table.real("iou", 0, 1),
    )
    if spec.input % 32:
        raise table.wrong("input", "a multiple of 32")
    table.done()
    return spec


def _embedder(table: _Table) -> EmbedderSpec:
    layout = table.choice("layout", get_args(Layout))
    spec = EmbedderSpec(
        name=table.text("name", r"[a-z0-9][a-z0-9._-]{0,62}"),
        model=_model(table),
        input=table.whole("input", 16, 1024),
        normalisation=_normalisation(table) if layout == "nchw" else _inside_the_graph(table, layout),
        layout=layout,
        template=table.choice("template", ("arcface-112",)),
        dimension=table.whole("dimension", 1, 8192),
        flip=table.truth("flip"),
    )
    table.done()
    return spec


def _model(table: _Table) -> ModelFile:
    file = table.text("file")
    if Path(file).is_absolute() or ".." in Path(file).parts:
        raise table.wrong("file", "a path inside the pack")
    return ModelFile(
        file=file,
        sha256=table.text("sha256", r"[0-9a-f]{64}"),
        licence=table.text("licence"),
        origin=table.text("origin"),
        distribution=table.text("distribution") if "distribution" in table.values else None,
        clean=table.truth("clean") if "clean" in table.values else False,
    )


def _normalisation(table: _Table) -> Normalisation:
    normalisation = Normalisation(
        table.choice("channels", ("bgr", "rgb")), table.triple("mean"), table.triple("std")
    )
    if min(normalisation.std) <= 0:
        raise table.wrong("std", "three numbers above 0")
    return normalisation


def _inside_the_graph(table: _Table, layout: Layout) -> Normalisation:
    if ignored := [key for key in ("channels", "mean", "std") if key in table.values]:
        raise PackError(
            f"{table.path}: [{table.name}] layout = {layout!r} gives the graph the crops as they are, so "
            f"{', '.join(ignored)} would be ignored; remove what stands there"
        )
    return AS_CROPS


def _training(table: _Table) -> Training:
    training = Training(
        cocircle=table.text("cocircle"),
        data=table.text("data"),
        config=table.text("config"),
        precision=table.choice("precision", get_args(Precision)),
        cost=table.text("cost") if "cost" in table.values else None,
        accuracy=table.text("accuracy") if "accuracy" in table.values else None,
    )
    table.done()
    if (training.precision == "fp32") != (training.cost is None):
        raise PackError(
            f"{table.path}: [training] cost belongs to a precision below fp32, and to each of those; the "
            f"precision is {training.precision!r} and the cost {training.cost!r}"
        )
    try:
        whole = isinstance(json.loads(training.config), dict)
    except ValueError:
        whole = False
    if not whole:
        raise table.wrong("config", "one JSON object")
    return training


def _calibration(table: _Table) -> Calibration:
    values = (
        table.reals("cosines"),
        table.reals("log10_fmr"),
        table.text("data"),
        table.whole("pairs", 1, 10**18),
        table.real("floor", 0, 1),
    )
    table.done()
    try:
        return Calibration(*values)
    except ValueError as error:
        raise PackError(f"{table.path}: [calibration]: {error}") from error


class _Table:
    """One TOML table while it is read: each value is checked once, and what nobody asked for is an error."""

    def __init__(self, path: Path, name: str, values: dict[str, Any]) -> None:
        self.path, self.name, self.values = path, name, values
        self._seen: set[str] = set()

    def wrong(self, key: str, wanted: str) -> PackError:
        where = f"[{self.name}] {key}" if self.name else key
        return PackError(f"{self.path}: {where} = {self.values[key]!r} should be {wanted}")

    def _get(self, key: str) -> Any:
        self._seen.add(key)
        if key not in self.values:
            where = f"[{self.name}] {key}" if self.name else f"table [{key}]"
            raise PackError(f"{self.path}: {where} is missing")
        return self.values[key]

    def table(self, key: str) -> _Table:
        value = self._get(key)
        if not isinstance(value, dict):
            raise self.wrong(key, "a table")
        return _Table(self.path, key, value)

    def text(self, key: str, pattern: str = r"(?s).+") -> str:
        value = self._get(key)
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise self.wrong(key, "text" if pattern == r"(?s).+" else f"text like {pattern}")
        return value

    def choice(self, key: str, choices: tuple[str, ...]) -> Any:
        value = self._get(key)
        if value not in choices:
            raise self.wrong(key, "one of " + ", ".join(map(repr, choices)))
        return value

    def truth(self, key: str) -> bool:
        value = self._get(key)
        if not isinstance(value, bool):
            raise self.wrong(key, "true or false")
        return value

    def whole(self, key: str, low: int, high: int) -> int:
        value = self._get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise self.wrong(key, f"a whole number {low}..{high}")
        return value

    def real(self, key: str, low: float, high: float) -> float:
        value = self._get(key)
        if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
            raise self.wrong(key, f"a number {low}..{high}")
        return float(value)

    def reals(self, key: str) -> tuple[float, ...]:
        value = self._get(key)
        if not isinstance(value, list) or not all(
            isinstance(item, int | float) and not isinstance(item, bool) for item in value
        ):
            raise self.wrong(key, "a list of numbers")
        return tuple(float(item) for item in value)

    def triple(self, key: str) -> Triple:
        values = self.reals(key)
        if len(values) != 3:
            raise self.wrong(key, "three numbers")
        return values[0], values[1], values[2]

    def done(self) -> None:
        if unknown := sorted(self.values.keys() - self._seen):
            where = f"[{self.name}]" if self.name else "the manifest"
            raise PackError(f"{self.path}: {where} has unknown keys: {', '.join(unknown)}")
