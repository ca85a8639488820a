"""Figure 3 of the Circle paper (Sun 2020, arXiv 2002.10857): where a run's samples stand before and after training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from evaluation.report.svg import HEIGHT, WIDTH, Axis, Curve, picture
from training.backbones.images import normalised
from training.backbones.registry import Backbone
from training.checkpoint import complete
from training.data.names import FileNames
from training.data.records import FaceRecords
from training.data.source import open_records
from training.head.initial import fill_rows
from training.plan import logit_map_of
from training.reproduce.errors import ReproductionError
from training.trained import CHECKPOINTS, CLASS_NAMES, Trained, centroids, network_of, trained

BATCH = 64
CLASSES_AT_ONCE = 4096
RADIUS = 1.8
LOWEST = -0.4
"""Of both axes; the few cosines below it are drawn on its edge."""


@dataclass(frozen=True)
class Cloud:
    """Samples at a step. within: (N,) float32, s_p, the cosine to the own centroid. between: s_n, the largest to
    another.
    """

    step: int
    within: NDArray[np.float32]
    between: NDArray[np.float32]


@dataclass(frozen=True)
class Clouds:
    """A run before and after. loss: its name and settings."""

    run: str
    loss: str
    before: Cloud
    after: Cloud


def clouds(
    run: Path, crops: Path | None, samples: int, *, before: int = 0, after: int | None = None
) -> Clouds:
    """Samples of a run at two of its steps. before: 0 are its first values, which its seed gives again.

    after: None is its last checkpoint. crops: aligned faces of identities that the run learned, by their names; None:
    those it was trained on. samples: at most so many, from all over the set. ReproductionError where the steps do not
    follow each other, the first values were another run's, the loss has no centroids or the run knows none of the
    identities; CheckpointError where a step was not kept.
    """
    last = trained(run, step=after)
    config = last.config
    used = logit_map_of(config.loss, last.classes, config.model.dimension)
    if used is None or last.classes < 2:
        raise ReproductionError(
            f"{run} was trained by {config.loss.name!r} on {last.classes:,} identities, and the figure needs centroids "
            "of at least two by a loss on cosines"
        )
    first = _first_values(run, last) if before == 0 else _learned(trained(run, step=before))
    if before >= last.step:
        raise ReproductionError(
            f"{run} is to be drawn at an earlier and a later step; chosen were {before} and {last.step}"
        )
    records = open_records(crops or config.data.records, damaged="skip")
    rows, labels = _known(records, _names(run, last), samples)
    if not len(rows):
        raise ReproductionError(
            f"none of the {records.classes:,} identities of {crops or config.data.records} is one of the "
            f"{last.classes:,} that {run} learned"
        )
    pixels = [records.image(row) for row in rows.tolist()]
    return Clouds(
        run.resolve().name,
        ", ".join([config.loss.name, *(f"{key} {value:g}" for key, value in vars(used).items())]),
        _cloud(before, *first, pixels, labels),
        _cloud(last.step, *_learned(last), pixels, labels),
    )


@torch.no_grad()
def standing(embeddings: Tensor, rows: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """(s_p, s_n), each (N,), of embeddings (N, D), centroids (C, D) of at least two classes, labels (N,) int64."""
    unit, centers = functional.normalize(embeddings), functional.normalize(rows)
    within = (unit * centers[labels]).sum(1).clamp(-1.0, 1.0)
    between = torch.full_like(within, -2.0)
    for at in range(0, len(centers), CLASSES_AT_ONCE):
        cosine = unit @ centers[at : at + CLASSES_AT_ONCE].T
        own = (labels >= at) & (labels < at + cosine.shape[1])
        cosine[own, labels[own] - at] = -2.0
        between = torch.maximum(between, cosine.amax(1))
    return within, between.clamp(-1.0, 1.0)


def scatter_picture(drawn: Sequence[Clouds]) -> str:
    """SVG, a run beside another: s_n across, s_p up, before and after in two colours. The same bytes for the same."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH * len(drawn)}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH * len(drawn)} {HEIGHT}" role="img">'
    ]
    for at, one in enumerate(drawn):
        parts.append(_plot(one).replace("<svg ", f'<svg x="{at * WIDTH}" ', 1).rstrip("\n"))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _plot(one: Clouds) -> str:
    curves = [
        Curve(f"step {cloud.step:,}", _points(cloud), colour=colour, dots=True, radius=RADIUS)
        for cloud, colour in ((one.before, 1), (one.after, 0))
    ]
    across, up = Axis("s_n, to the nearest other centroid", LOWEST, 1.0), Axis("s_p, to its own", LOWEST, 1.0)
    return picture(f"{one.run}: {one.loss}", across, up, curves)


def _points(cloud: Cloud) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in zip(cloud.between, cloud.within, strict=True)]


def _learned(of: Trained) -> tuple[Backbone, Tensor]:
    return of.network, centroids(of)


def _first_values(run: Path, of: Trained) -> tuple[Backbone, Tensor]:
    if of.config.model.start is not None:
        raise ReproductionError(
            f"{run} began with the values of {of.config.model.start}, not with its seed's: name one of its kept steps "
            f"with --before: {sorted(complete(run / CHECKPOINTS))}"
        )
    rows = torch.empty(of.classes, of.config.model.dimension)
    fill_rows(rows, 0, of.config.seed)
    return network_of(of.config).eval(), rows


def _names(run: Path, of: Trained) -> dict[str, int]:
    names = FileNames(run / CLASS_NAMES, of.classes)
    return {names[at]: at for at in range(len(names))}


def _known(
    records: FaceRecords, places: dict[str, int], samples: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Records of identities that were learned, spread over the set, and their class ids there."""
    ids = np.array([places.get(records.class_names[at], -1) for at in range(records.classes)], np.int64)
    labels = ids[np.asarray(records.labels)]
    known = np.flatnonzero(labels >= 0)
    if len(known):
        known = known[np.unique(np.linspace(0, len(known) - 1, min(samples, len(known))).round().astype(int))]
    return known, labels[known]


@torch.no_grad()
def _cloud(
    step: int, network: Backbone, rows: Tensor, pixels: list[NDArray[np.uint8]], labels: NDArray[np.int64]
) -> Cloud:
    found = [
        network(normalised(torch.from_numpy(np.stack(pixels[at : at + BATCH]))))
        for at in range(0, len(pixels), BATCH)
    ]
    within, between = standing(torch.cat(found), rows, torch.from_numpy(labels))
    return Cloud(step, within.numpy(), between.numpy())
