"""What a run will do, worked out before its first step: batches, steps, the loss and its scale; trains nothing."""

from __future__ import annotations

from dataclasses import dataclass

from training.config import ConfigError, Loss, RunConfig
from training.data.records import FaceRecords
from training.data.sampler import IdentityBatches
from training.data.shuffle import ShuffledBatches
from training.losses.logit_maps import MAPS, LogitMap, logit_map
from training.ranks import Ranks
from training.scale import cosine_scale


@dataclass(frozen=True)
class Plan:
    """A run in numbers.

    images, classes: of the data. ranks: processes. batch: images of a step over all ranks; forward: images of one
    forward on one rank. epoch: steps of one. steps: of the whole run. logit_map: None without a cosine classifier.
    """

    images: int
    classes: int
    ranks: int
    batch: int
    forward: int
    epoch: int
    steps: int
    logit_map: LogitMap | None


def plan_of(config: RunConfig, records: FaceRecords, batches_an_epoch: int, ranks: int) -> Plan:
    """The plan; ConfigError where the settings do not fit the data or one another."""
    _check_shared(config, ranks)
    chosen = config.optimisation
    epoch = batches_an_epoch // chosen.accumulate
    if epoch < 1:
        raise ConfigError(
            f"an epoch of {len(records)} images has no step of {chosen.batch}: take a smaller optimisation.batch"
        )
    return Plan(
        images=len(records),
        classes=records.classes,
        ranks=ranks,
        batch=chosen.batch,
        forward=chosen.batch // chosen.accumulate // ranks,
        epoch=epoch,
        steps=chosen.steps or max(1, round(chosen.epochs * epoch)),
        logit_map=logit_map_of(config.loss, records.classes, config.model.dimension),
    )


def batches_of(config: RunConfig, records: FaceRecords, ranks: Ranks) -> ShuffledBatches | IdentityBatches:
    """Which records make the batch of one forward over all ranks; ConfigError where they cannot be shared out."""
    _check_shared(config, ranks.size)
    chosen, images = config.optimisation, config.data.images_per_identity
    together = chosen.batch // chosen.accumulate
    place = {"seed": config.seed, "rank": ranks.rank, "ranks": ranks.size}
    try:
        if images:
            return IdentityBatches(records.labels, together // images, images, **place)
        return ShuffledBatches(len(records), together, **place)
    except ValueError as error:
        raise ConfigError(f"optimisation.batch = {chosen.batch}: {error}") from error


def logit_map_of(loss: Loss, classes: int, dimension: int) -> LogitMap | None:
    """The classifier's map with its scale; None for softmax and none. ConfigError names a wrong setting."""
    if loss.name not in MAPS:
        return None
    given = {name: value for name in ("scale", "margin") if (value := getattr(loss, name)) is not None}
    try:
        if loss.name in ("coco", "normface") and "scale" not in given:
            given["scale"] = cosine_scale(classes, dimension)
        return logit_map(loss.name, **given)
    except ValueError as error:
        raise ConfigError(f"loss: {error}") from error


def _check_shared(config: RunConfig, ranks: int) -> None:
    chosen, images = config.optimisation, config.data.images_per_identity
    shared = chosen.accumulate * ranks * (images or 1)
    if chosen.batch % shared:
        each = f" of {images} images an identity" if images else ""
        raise ConfigError(
            f"optimisation.batch = {chosen.batch} cannot be shared by {ranks} ranks x {chosen.accumulate} "
            f"forwards{each}; take a multiple of {shared}"
        )
