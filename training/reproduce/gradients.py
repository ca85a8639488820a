"""Figure 2 of the Circle paper (Sun 2020, arXiv 2002.10857): what each loss asks of a pair of similarities.

One within-class similarity s_p, one between-class s_n; the gradients are autograd's through the losses that train.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.losses.pairs import PairLoss, Pairs
from training.losses.pairwise import CirclePairs, Unified
from training.losses.rivals import TripletPairs
from training.reproduce.heat import Panel, Path, heat_maps

FIELDS = 40
STARTS = {"A": (0.8, 0.8), "B": (0.5, 0.5), "C": (0.2, 0.2)}
"""(s_n, s_p) where descents begin: on the diagonal, where every loss still has work to do."""

STRIDE, STEPS = 0.005, 2000
"""Of a descent: its longest step, and the most of them."""

AT_REST = 0.01
"""Share of the loss's largest gradient below which a descent has ended."""

Floats = NDArray[np.float64]
Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Drawn:
    """A loss of the figure. boundary: s_n -> the s_p at which its exponent is 0, not a number where there is none."""

    name: str
    loss: PairLoss
    boundary: Callable[[Floats], Floats]


def losses(margin: float = 0.35, scale: float = 64.0) -> list[Drawn]:
    """Triplet and AM-Softmax with one boundary, s_p - s_n = margin, and Circle with its paper's settings for faces.

    Triplet is on squared distances of unit rows, so that its margin is twice that. AM-Softmax is the unified loss with
    one similarity of each kind.
    """
    circle = CirclePairs(256.0, 0.25)

    def straight(other: Floats) -> Floats:
        return other + margin

    def round_(other: Floats) -> Floats:
        inside = 2.0 * circle.margin**2 - other**2
        # Eq. 8: a circle around s_n = 0, s_p = 1 of radius sqrt(2) m.
        return np.where(inside >= 0.0, 1.0 - np.sqrt(np.maximum(inside, 0.0)), np.nan)

    return [
        Drawn(f"triplet, m = {margin:g}", TripletPairs(2.0 * margin), straight),
        Drawn(f"AM-Softmax, m = {margin:g}, g = {scale:g}", Unified(scale, margin), straight),
        Drawn(f"Circle, m = {circle.margin:g}, g = {circle.scale:g}", circle, round_),
    ]


def gradients(loss: PairLoss, other: Floats, same: Floats) -> tuple[Floats, Floats]:
    """dL/ds_n and dL/ds_p (n,) at similarities s_n, s_p (n,), each pair an anchor of its own."""
    cosine = torch.tensor(np.stack([same, other], 1), dtype=torch.float64, requires_grad=True)
    first = torch.tensor([True, False]).expand(len(cosine), 2)
    cost: Tensor = loss.costs(Pairs(cosine, first, ~first))
    (gradient,) = torch.autograd.grad(cost.sum(), cosine)
    return gradient[:, 1].numpy(), gradient[:, 0].numpy()


def descents(loss: PairLoss, starts: Sequence[tuple[float, float]], largest: float) -> list[Points]:
    """From each start, (s_n, s_p) down the gradient within the unit square, until it is nearly none.

    largest: of the loss's gradients over the square; a step there is STRIDE long.
    """
    places = np.array(starts)  # (n, 2)
    going = np.ones(len(starts), bool)
    points: list[Points] = [[(float(x), float(y))] for x, y in starts]
    for _ in range(STEPS):
        down = np.stack(gradients(loss, places[:, 0], places[:, 1]), 1)
        moved = np.clip(places - STRIDE * down / largest, 0.0, 1.0)
        going &= (np.abs(down).max(1) >= AT_REST * largest) & (moved != places).any(1)
        if not going.any():
            break
        places = np.where(going[:, None], moved, places)
        for at in np.flatnonzero(going).tolist():
            points[at].append((float(places[at, 0]), float(places[at, 1])))
    return points


def gradient_picture(drawn: Sequence[Drawn] | None = None, fields: int = FIELDS) -> str:
    """SVG: a column a loss, |dL/ds_p| above |dL/ds_n|, each loss's shades up to its largest; the same bytes always."""
    middles = (np.arange(fields) + 0.5) / fields
    other, same = (axis.ravel() for axis in np.meshgrid(middles, middles))
    by_same_row, by_other_row = [], []
    for one in drawn or losses():
        by_other, by_same = (
            np.abs(found).reshape(fields, fields) for found in gradients(one.loss, other, same)
        )
        most = float(max(by_other.max(), by_same.max()))
        ways = descents(one.loss, list(STARTS.values()), most)
        paths = [Path(name, _thinned(way)) for name, way in zip(STARTS, ways, strict=True)]
        line = _boundary(one)
        by_same_row.append(Panel(one.name, by_same, most, line, paths))
        by_other_row.append(Panel(f"darkest: {most:.4g}", by_other, most, line, paths))
    title = "Gradient by s_p (above) and by s_n (below), its size, as the similarities stand"
    return heat_maps(title, "s_n", "s_p", [by_same_row, by_other_row])


def _boundary(of: Drawn) -> Points:
    across = np.linspace(0.0, 1.0, 401)
    up = of.boundary(across)
    inside = (up >= 0.0) & (up <= 1.0)
    return [(float(x), float(y)) for x, y in zip(across[inside], up[inside], strict=True)]


def _thinned(points: Points, kept: int = 60) -> Points:
    chosen = np.unique(np.linspace(0, len(points) - 1, kept).round().astype(int))
    return [points[at] for at in chosen.tolist()]
