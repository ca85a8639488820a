"""One row of a small table by one seed: trained, and tested once at the end; the test is never looked at before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.backbones.memory import keep_freed_memory
from training.reproduce.contestants import Contestant, Criterion, class_means
from training.reproduce.errors import ReproductionError
from training.reproduce.images import CLASSES, Images, Part
from training.reproduce.network import Stages
from training.reproduce.recipe import Recipe
from training.schedule import rate_factor
from training.updates import Updates

TEST_BATCH = 500


@dataclass(frozen=True)
class Fitted:
    """losses: the mean of each epoch. skipped: steps whose gradient was not finite. seconds: on the clock.

    wrong: test images that the loss's own classifier takes for another class, or None where it has none.
    wrong_by_means: the same by the nearest class mean of the unit training embeddings. tested: how many there are.
    embeddings: (tested, D), of the test images.
    """

    losses: list[float]
    skipped: int
    wrong: int | None
    wrong_by_means: int
    tested: int
    seconds: float
    embeddings: NDArray[np.float32]


def fit(images: Images, recipe: Recipe, row: Contestant, seed: int, device: torch.device) -> Fitted:
    """Train and test. On a CPU with one thread the same numbers come out bit by bit.

    ReproductionError where there are fewer images than a batch, or the loss is no longer a number.
    """
    if len(images.train.labels) < recipe.batch:
        raise ReproductionError(
            f"{images.name} has {len(images.train.labels)} images to train on, fewer than a batch of {recipe.batch}"
        )
    if device.type == "cpu":
        keep_freed_memory()
    begun = perf_counter()
    torch.manual_seed(seed)
    network = Stages(images.planes, images.side, recipe.channels, recipe.depth, recipe.dimension)
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    criterion = row.of(CLASSES, recipe.dimension, seed)
    if criterion.head is not None:
        criterion.head.to(device)
    losses, skipped = _train(network, criterion, images.train, recipe, seed, device)
    if not np.isfinite(losses[-1]):
        raise ReproductionError(f"{row.name}, seed {seed}: the loss of the last epoch is {losses[-1]}")
    network.eval()
    found, known = _embedded(network, images.test, device), _embedded(network, images.train, device)
    answers = torch.from_numpy(images.test.labels).to(device)
    means = class_means(known, torch.from_numpy(images.train.labels).to(device), CLASSES)
    with torch.no_grad():
        own = criterion.scores(found) if criterion.scores is not None else None
    return Fitted(
        losses,
        skipped,
        _wrong(own, answers) if own is not None else None,
        _wrong(found @ means.T, answers),
        len(answers),
        perf_counter() - begun,
        found.cpu().numpy(),
    )


def _train(
    network: Stages, criterion: Criterion, part: Part, recipe: Recipe, seed: int, device: torch.device
) -> tuple[list[float], int]:
    config = recipe.run_config(seed)
    updates = Updates(network, criterion.head, config, device)
    a_pass = len(part.labels) // recipe.batch
    step, skipped, losses = 0, 0, []
    for epoch in range(recipe.epochs):
        total = torch.zeros((), device=device)
        for pixels, labels in _batches(part, recipe.batch, seed, epoch, device):
            updates.begin()
            with torch.autocast(device.type, torch.bfloat16):
                embeddings = network(pixels)
            loss = criterion.cost(embeddings, labels)
            updates.backward(loss)
            factor = rate_factor(step, recipe.epochs * a_pass, warmup=recipe.warmup, kind="cosine")
            skipped += not updates.take(factor).finite
            total += loss.detach()
            step += 1
        losses.append(float(total) / a_pass)
    return losses, skipped


def _batches(
    part: Part, batch: int, seed: int, epoch: int, device: torch.device
) -> Iterator[tuple[Tensor, Tensor]]:
    """Every image once, in an order of (seed, epoch) alone, but for the last that do not fill a batch."""
    order = np.random.default_rng([seed, epoch]).permutation(len(part.labels))
    for at in range(0, len(order) - batch + 1, batch):
        chosen = order[at : at + batch]
        yield _pixels(part.images[chosen], device), torch.from_numpy(part.labels[chosen]).to(device)


def _pixels(images: NDArray[np.uint8], device: torch.device) -> Tensor:
    """(B, H, W, planes) uint8 -> (B, planes, H, W) float32, -1..1."""
    return torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1.0


@torch.no_grad()
def _embedded(network: Stages, part: Part, device: torch.device) -> Tensor:
    """(N, D) float32, computed as in training."""
    found = []
    for at in range(0, len(part.labels), TEST_BATCH):
        with torch.autocast(device.type, torch.bfloat16):
            found.append(network(_pixels(part.images[at : at + TEST_BATCH], device)))
    return torch.cat(found)


def _wrong(scores: Tensor, labels: Tensor) -> int:
    return int((scores.argmax(1) != labels).sum())
