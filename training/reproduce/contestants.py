"""The rows of the COCO paper's table: which loss each is, how it classifies, and what the paper measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from training.head.sharded import ShardedClassifier
from training.losses.baselines import CenterSoftmax, JointLoss, Softmax
from training.losses.logit_maps import logit_map
from training.losses.rivals import TripletPairs
from training.ranks import Ranks
from training.reproduce.errors import ReproductionError
from training.scale import cosine_scale

CENTER_WEIGHT, CENTER_RATE = 0.003, 0.5
"""lambda and alpha that Wen 2016 trains its face network with (section 4.1)."""

TRIPLET_MARGIN = 0.2
"""Schroff 2015, section 3.1, on squared distances of unit rows."""

TRIPLET_MINING: Literal["all"] = "all"
"""The sum over all triples of section 3.1. The hardest alone (Hermans 2017) collapse at the rate all rows share:
their training loss stands at the margin, every embedding in one place."""

TRIPLET_WEIGHT = 1.0
"""Beside softmax; the COCO paper gives none."""

Head = ShardedClassifier | Softmax


@dataclass(frozen=True)
class Criterion:
    """cost: (embeddings (B, D), labels (B,)) -> the scalar to minimise. head: what of it learns, or None.

    scores: embeddings (B, D) -> (B, C), the largest is the answer; None where the loss has no classifier.
    """

    cost: Callable[[Tensor, Tensor], Tensor]
    head: Head | None
    scores: Callable[[Tensor], Tensor] | None


@dataclass(frozen=True)
class Contestant:
    """One row. paper: test error in % by data set. own: the loss's settings. of: (classes, D, seed) -> the loss."""

    name: str
    paper: dict[str, float]
    own: Callable[[int, int], dict[str, Any]]
    of: Callable[[int, int, int], Criterion]


def contestant(name: str) -> Contestant:
    """ReproductionError names an unknown one and those there are."""
    for one in CONTESTANTS:
        if one.name == name:
            return one
    raise ReproductionError(
        f"there is no loss {name!r} in the table; there are {', '.join(one.name for one in CONTESTANTS)}"
    )


def _softmax(classes: int, dimension: int, seed: int) -> Criterion:
    head = Softmax(classes, dimension, seed)
    return Criterion(head, head, head.linear)


def _center(classes: int, dimension: int, seed: int) -> Criterion:
    head = CenterSoftmax(classes, dimension, seed, center_weight=CENTER_WEIGHT, center_rate=CENTER_RATE)
    return Criterion(head, head, head.linear)


def _triplet(classes: int, dimension: int, seed: int) -> Criterion:
    return Criterion(TripletPairs(TRIPLET_MARGIN, TRIPLET_MINING), None, None)


def _triplet_softmax(classes: int, dimension: int, seed: int) -> Criterion:
    head = Softmax(classes, dimension, seed)
    return Criterion(
        JointLoss(head, TripletPairs(TRIPLET_MARGIN, TRIPLET_MINING), TRIPLET_WEIGHT), head, head.linear
    )


def _coco(classes: int, dimension: int, seed: int) -> Criterion:
    scale = cosine_scale(classes, dimension)
    head = ShardedClassifier(
        classes, dimension, logit_map("coco", scale=scale), ranks=Ranks(alone=True), seed=seed
    )

    def cosines(embeddings: Tensor) -> Tensor:
        return functional.normalize(embeddings) @ functional.normalize(head.weight).T

    return Criterion(head, head, cosines)


CONTESTANTS = (
    Contestant("softmax", {"mnist": 0.36, "cifar10": 6.70}, lambda classes, dimension: {}, _softmax),
    Contestant(
        "center+softmax",
        {"mnist": 0.32, "cifar10": 6.66},
        lambda classes, dimension: {"center_weight": CENTER_WEIGHT, "center_rate": CENTER_RATE},
        _center,
    ),
    Contestant(
        "triplet",
        {"mnist": 1.45, "cifar10": 12.69},
        lambda classes, dimension: {"margin": TRIPLET_MARGIN, "mining": TRIPLET_MINING},
        _triplet,
    ),
    Contestant(
        "triplet+softmax",
        {"mnist": 0.38, "cifar10": 6.73},
        lambda classes, dimension: {
            "margin": TRIPLET_MARGIN,
            "mining": TRIPLET_MINING,
            "weight": TRIPLET_WEIGHT,
        },
        _triplet_softmax,
    ),
    Contestant(
        "coco",
        {"mnist": 0.30, "cifar10": 6.25},
        lambda classes, dimension: {"scale": cosine_scale(classes, dimension)},
        _coco,
    ),
)
"""Liu 2017 (arXiv 1710.00870), the table of MNIST and CIFAR-10, in its order."""


def class_means(embeddings: Tensor, labels: Tensor, classes: int) -> Tensor:
    """(C, D) unit rows: the direction of the mean of each class's unit embeddings; labels (N,) int64."""
    unit = functional.normalize(embeddings)
    sums = torch.zeros(classes, unit.shape[1], dtype=unit.dtype, device=unit.device)
    return functional.normalize(sums.index_add_(0, labels, unit))
