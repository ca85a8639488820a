"""Whether what was exported gives the embeddings of the network it came from; exports nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from training.backbones.images import normalised
from training.backbones.registry import SIDE, Backbone
from training.export.errors import ExportError

LIMIT = 1e-4
"""How far a cosine may move in float32: a hundredth of what a false match rate's threshold is given to."""

BATCH = 32


@dataclass(frozen=True)
class Agreement:
    """Two embeddings of the same crops, compared.

    crops: N, how many. least: smallest cosine between the two embeddings of one crop. furthest: largest
    difference between the cosine of two crops under one and under the other, over all pairs.
    """

    crops: int
    least: float
    furthest: float

    def __str__(self) -> str:
        return f"smallest cosine {self.least:.6f}, cosines differ by at most {self.furthest:.1e}, {self.crops} crops"


def check_crops(crops: NDArray[np.uint8]) -> None:
    """ExportError unless they are (N, 112, 112, 3) uint8 with N above 0."""
    if crops.dtype != np.uint8 or crops.shape[1:] != (SIDE, SIDE, 3) or len(crops) == 0:
        raise ExportError(
            f"real crops are needed, uint8 (N, {SIDE}, {SIDE}, 3); these are {crops.dtype} {crops.shape}"
        )


def network_rows(network: Backbone, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Crops (N, 112, 112, 3) uint8, blue green red -> what torch makes of them, (N, D) float32, unit rows."""
    with torch.no_grad():
        rows = [
            functional.normalize(network(normalised(torch.from_numpy(crops[at : at + BATCH]))))
            for at in range(0, len(crops), BATCH)
        ]
    found: NDArray[np.float32] = torch.cat(rows).numpy()
    return found


def compare(expected: NDArray[np.float32], found: NDArray[np.float32]) -> Agreement:
    """expected, found: (N, D) float32, unit rows of the same crops. ExportError on another shape or a NaN."""
    if expected.shape != found.shape:
        raise ExportError(f"the network gives rows {expected.shape}, what was exported {found.shape}")
    for rows, whose in ((expected, "the network"), (found, "what was exported")):
        if not np.isfinite(rows).all():
            raise ExportError(f"{whose} gives an embedding that is not finite")
    one, other = expected.astype(np.float64), found.astype(np.float64)
    return Agreement(
        crops=len(one),
        least=float((one * other).sum(axis=1).min()),
        furthest=float(np.abs(one @ one.T - other @ other.T).max()),
    )


def check_equal(agreement: Agreement) -> None:
    """ExportError where a float32 graph is further from its network than rounding explains."""
    if 1.0 - agreement.least > LIMIT or agreement.furthest > LIMIT:
        raise ExportError(
            f"the exported graph does not give the network's embeddings: {agreement}; allowed is {LIMIT}"
        )
