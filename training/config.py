"""What a run is told: a TOML file with changes from the command line, checked whole before anything starts."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Classifier = Literal["coco", "normface", "cosface", "am-softmax", "arcface", "circle", "softmax", "none"]


class ConfigError(ValueError):
    """A configuration that cannot be; the message has a line for each fault, with its key and value."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Data(_Strict):
    """records: a folder of identities, a folder of tar shards, or a folder with train.rec.

    threads: that decode. on_bad: what to do about an image that cannot be read: stop, or take another and count.
    damaged: what to do about a shard with faults: stop, or leave them out and count. images_per_identity: K of
    batches of P identities x K images, for pair losses; None: every image once an epoch. flip, resolution, crop,
    photometric, occlusion: see training.data.augment.Augmentation.
    """

    records: Path
    threads: int = Field(default=2, ge=1, le=256)
    on_bad: Literal["raise", "skip"] = "raise"
    damaged: Literal["raise", "skip"] = "raise"
    images_per_identity: int | None = Field(default=None, ge=2)
    flip: bool = True
    resolution: float = Field(default=0.0, ge=0, le=1)
    crop: float = Field(default=0.0, ge=0, le=1)
    photometric: float = Field(default=0.0, ge=0, le=1)
    occlusion: float = Field(default=0.0, ge=0, le=1)


class Model(_Strict):
    """backbone: a name of `python -m training.backbones`. settings: of that backbone. channels_last: memory order.

    gradient_checkpointing: forward again in backward, for memory. compiled: torch.compile. synchronised: batch
    normalisation over all ranks, so that their number does not matter. start: a finished run whose network, and whose
    centroids of identities of the same name, are the first values.
    """

    backbone: str = "mobilefacenet"
    dimension: int = Field(default=512, ge=2, le=8192)
    settings: dict[str, float | int | str | bool] = Field(default_factory=dict)
    channels_last: bool = True
    gradient_checkpointing: bool = False
    compiled: bool = False
    synchronised: bool = False
    start: Path | None = None


class Loss(_Strict):
    """What is minimised: the classifier's loss + pairs_weight x the pairs' + distillation x the distance to a teacher.

    name: coco, normface, cosface, am-softmax, arcface, circle; softmax (a baseline, one process); none.
    scale, margin: the paper's where not given; for COCO and NormFace the scale by training.scale.
    pairs: unified, circle, triplet or multi-similarity, with its paper's settings; wants data.images_per_identity.
    teacher: a model pack of model.dimension dimensions; the distance is 1 - cosine, mean over the batch.
    """

    name: Classifier = "arcface"
    scale: float | None = Field(default=None, gt=0)
    margin: float | None = Field(default=None, ge=0)
    pairs: Literal["unified", "circle", "triplet", "multi-similarity"] | None = None
    pairs_weight: float = Field(default=1.0, gt=0)
    distillation: float = Field(default=0.0, ge=0)
    teacher: str | None = None

    @model_validator(mode="after")
    def _whole(self) -> Loss:
        if (self.distillation > 0) != (self.teacher is not None):
            raise ValueError("distillation needs both a weight above 0 and a teacher, or neither")
        if self.name == "none" and self.pairs is None and self.teacher is None:
            raise ValueError('with name = "none" there must be pairs or a teacher to learn from')
        if self.name in ("softmax", "none") and (self.scale, self.margin) != (None, None):
            raise ValueError(f"{self.name} has neither scale nor margin")
        return self


class Head(_Strict):
    """See training.head.sharded.ShardedClassifier. in_pass_two: update rows there, without a kept gradient.

    lr_factor: the head's learning rate over the network's.
    """

    operands: Literal["fp32", "fp16", "bf16"] = "fp32"
    sample: float | None = Field(default=None, gt=0, le=1)
    backend: Literal["chunked", "triton", "dense"] = "chunked"
    chunk: int | None = Field(default=None, ge=1)
    in_pass_two: bool = True
    lr_factor: float = Field(default=1.0, gt=0)


class Optimisation(_Strict):
    """SGD with momentum. batch: images a step over all ranks. accumulate: forwards a step, each of batch / accumulate.

    epochs: over the data; steps: overrides them. weight_decay: of matrices and kernels, not of biases and norms.
    warmup: share of all steps in which the rate rises from 0; schedule: what it does afterwards. clip: the largest
    norm of the network's gradient, inf for any. ema: decay a step of the averaged weights that are validated and
    exported; 0: none. amp: what the network computes in, by autocast.
    """

    batch: int = Field(default=128, ge=1)
    accumulate: int = Field(default=1, ge=1)
    epochs: float = Field(default=1.0, gt=0)
    steps: int | None = Field(default=None, ge=1)
    lr: float = Field(default=0.1, gt=0)
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=5e-4, ge=0)
    warmup: float = Field(default=0.05, ge=0, lt=1)
    schedule: Literal["cosine", "polynomial", "constant"] = "cosine"
    clip: float | None = Field(default=5.0, gt=0, allow_inf_nan=True)
    ema: float = Field(default=0.0, ge=0, lt=1)
    amp: Literal["fp32", "fp16", "bf16"] = "fp32"


class Validation(_Strict):
    """pairs: folders with pairs.txt and images as `cocircle evaluate lfw --data` takes them, by a name of yours.

    every: steps between two; 0: at the end only. The first in the file decides which checkpoint is the best.
    """

    pairs: dict[str, Path] = Field(default_factory=dict)
    every: int = Field(default=0, ge=0)


class Saving(_Strict):
    """every: steps between checkpoints; 0: at the end only. keep: how many of the latest stay, beside the best.

    asynchronous: training goes on while one is written, which takes the memory of a copy of the state.
    """

    every: int = Field(default=0, ge=0)
    keep: int = Field(default=2, ge=1)
    asynchronous: bool = True


class RunConfig(_Strict):
    """A whole run, checked. device: auto takes the GPU where there is one. seed: of everything that is drawn.

    threads: of computation on a CPU, a process; 0: as torch decides. Equal runs need equal threads.
    """

    data: Data
    model: Model = Model()
    loss: Loss = Loss()
    head: Head = Head()
    optimisation: Optimisation = Optimisation()
    validation: Validation = Validation()
    saving: Saving = Saving()
    seed: int = Field(default=0, ge=0, lt=2**63)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = Field(default=0, ge=0, le=1024)

    @model_validator(mode="after")
    def _pairs_have_pairs(self) -> RunConfig:
        if self.loss.pairs and not self.data.images_per_identity:
            raise ValueError(
                "loss.pairs needs data.images_per_identity (4, say): else few images have a partner"
            )
        return self


def read_config(path: Path, changes: Sequence[str] = ()) -> RunConfig:
    """A TOML file with changes of the form `table.key=value` (a TOML value, or a bare word) laid over it.

    ConfigError names the file and, for each fault, the key, its value and what is wrong with it. Relative paths
    are taken from the current folder.
    """
    try:
        tree = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    for change in changes:
        _lay_over(tree, change)
    return checked(tree, str(path))


def checked(tree: dict[str, Any], source: str = "the configuration") -> RunConfig:
    """The configuration of a parsed tree; ConfigError with a line for each fault."""
    try:
        return RunConfig.model_validate(tree)
    except ValidationError as error:
        faults = [_told(fault["loc"], fault["msg"], fault["input"]) for fault in error.errors()]
        raise ConfigError("\n".join([f"{source} cannot be used:", *faults])) from error


def as_tree(config: RunConfig) -> dict[str, Any]:
    """Plain JSON types, for a record of the run; `checked` reads them back."""
    return config.model_dump(mode="json")


def _told(where: tuple[int | str, ...], message: str, value: object) -> str:
    key = ".".join(map(str, where)) + ": " if where else ""
    shown = "" if isinstance(value, dict) else f" (it is {value!r})"
    return f"  {key}{message.removeprefix('Value error, ')}{shown}"


def _lay_over(tree: dict[str, Any], change: str) -> None:
    key, equals, text = change.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set takes table.key=value; it was given {change!r}")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()
    *tables, last = key.strip().split(".")
    for table in tables:
        tree = tree.setdefault(table, {})
        if not isinstance(tree, dict):
            raise ConfigError(f"--set {change}: {table} is not a table")
    tree[last] = value
