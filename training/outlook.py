"""Where a loss starts, how low it can fall and at which scale, before any training; it sees no embedding.

Everything here follows from one fact: centroids that were just drawn lie in random directions, so the cosines
of any embedding with them are independent draws from a known distribution.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.losses.logit_maps import LogitMap, Slope
from training.scale import FLOOR, HEADROOM, check_size, headroom

Floats = NDArray[np.float64]

LARGEST_SCALE = 1024.0
"""No larger scale is proposed; the papers of the maps recommend 256 at most."""


@dataclass(frozen=True)
class Outlook:
    """What a logit map can do for so many classes in so many dimensions. Losses and logits are in nats.

    first: the mean loss expected before the first step. lowest: the mean loss with every embedding on its own
    centroid; the other centroids stand at equal angles if there are at most dimension + 1 classes, else in
    random directions. reach: the target's logit at cosine 1. background: see `background`. slack: the x with
    lowest = ln(1 + e^-x), that is, how far the target's logit stands above the log-sum of the others'; with
    random directions at least reach - background. best_slack: the same if every two centroids had a cosine of
    the one size that Welch's bound leaves, the evenest spread that training could bring about. better_scale:
    the smallest scale with slack HEADROOM where this one lacks it; None where it does not lack it, and where
    no scale up to LARGEST_SCALE has it.
    """

    logit_map: LogitMap
    classes: int
    dimension: int
    first: float
    lowest: float
    reach: float
    background: float
    slack: float
    best_slack: float
    better_scale: float | None

    @property
    def feasible(self) -> bool:
        """Whether the loss can fall to training.scale.FLOOR."""
        return _feasible(self.slack)

    def explain(self) -> str:
        """Plain sentences for whoever trains: the start, the best that can come of it, and what to change."""
        return "\n".join([self._setting(), self._start(), self._end(), self._verdict()])

    def _setting(self) -> str:
        name, scale = type(self.logit_map).__name__, self.logit_map.scale
        return f"{name} at scale {scale:.4g}, {self.classes:,} classes in {self.dimension} dimensions:"

    def _start(self) -> str:
        return (
            f"The loss starts near {self.first:.4g}. That comes of the scale and the margin and is no fault; "
            f"guessing would cost ln {self.classes:,} = {math.log(self.classes):.3g}."
        )

    def _end(self) -> str:
        others = "at equal angles" if _few(self.classes, self.dimension) else "in random directions"
        return (
            f"It is about {self.lowest:.2g} with every embedding on its own centroid (logit {self.reach:.4g}) and "
            f"the other centroids {others} (together {self.reach - self.slack:.4g})."
        )

    def _verdict(self) -> str:
        stands = (
            f"The one must stand {HEADROOM:g} above the other for a loss of {FLOOR:.2g} and stands "
            f"{self.slack:.3g}:"
        )
        if self.feasible:
            return f"{stands} this can converge."
        return f"{stands} {self._doubt()} {self._advice()}"

    def _doubt(self) -> str:
        if not _feasible(self.best_slack):
            return "this cannot converge to a loss near 0."
        return (
            "this comes near 0 only if training parts the centroids that lie close by chance; spread evenly, they "
            f"would leave {self.best_slack:.3g}."
        )

    def _advice(self) -> str:
        if self.better_scale is None:
            return f"No scale up to {LARGEST_SCALE:g} is enough: take more dimensions, or another margin or loss."
        return f"Scale {math.ceil(self.better_scale * 10) / 10:g} is enough."


def outlook(logit_map: LogitMap, classes: int, dimension: int) -> Outlook:
    """Start, end and verdict for a loss, C classes and D dimensions; a second at most.

    ValueError with fewer than two classes or dimensions.
    """
    lowest = lowest_loss(logit_map, classes, dimension)
    slack = _slack(lowest)
    return Outlook(
        logit_map=logit_map,
        classes=classes,
        dimension=dimension,
        first=expected_loss(logit_map, classes, dimension),
        lowest=lowest,
        reach=float(_target(logit_map, torch.ones(1, dtype=torch.float64))[0]),
        background=background(logit_map, classes, dimension),
        slack=slack,
        best_slack=_best_slack(logit_map, classes, dimension),
        better_scale=None if _feasible(slack) else feasible_scale(logit_map, classes, dimension),
    )


def background(logit_map: LogitMap, classes: int, dimension: int) -> float:
    """ln E sum exp z over the C - 1 other classes in random directions: ln(C - 1) + ln E exp z(s).

    s has density ~ (1 - s^2)^((D - 3) / 2), so s^2 ~ Beta(1/2, (D - 1)/2). The mean can be carried by cosines
    too rare to occur in C draws: where g^2 / D (Circle: 2 g / D) is large it says little about one embedding.
    It then bounds the usual log-sum from above, and `expected_loss` is the figure to watch.
    """
    check_size(classes, dimension)
    cosine, log_weight = _random_cosines(dimension)
    return math.log(classes - 1) + float(np.logaddexp.reduce(log_weight + _rest(logit_map, cosine)))


def expected_loss(logit_map: LogitMap, classes: int, dimension: int, *, target: float | None = None) -> float:
    """The mean cross-entropy in nats over C centroids drawn in random directions of D dimensions.

    target: the cosine of every embedding with its own centroid, -1..1; None: that centroid is random as well,
    as before the first step, whatever the embeddings are. This is the mean over draws, for a finite C, not
    the loss of a mean: where the largest of the cosines decide, they are those that C draws bring.

    By the Gumbel-max trick, log-sum-exp of z_j is E max_j (z_j + G_j) less a constant, G_j being standard
    Gumbel. So the loss is the mean excess of the others' maximum over the target's own z + G, the integral over x
    of P(own <= x) P(maximum > x), in which the C - 1 independent others enter as one power.
    """
    check_size(classes, dimension)
    if target is not None and not -1.0 <= target <= 1.0:
        raise ValueError(f"a target's cosine lies in -1..1; it is {target}")
    cosine, log_weight = _random_cosines(dimension)
    weight = np.exp(log_weight)
    if target is None:
        return _mean_excess(_rest(logit_map, cosine), weight, _target(logit_map, cosine), weight, classes - 1)
    own = _target(logit_map, torch.tensor([target], dtype=torch.float64))
    return _mean_excess(_rest(logit_map, cosine), weight, own, np.ones(1), classes - 1)


def lowest_loss(logit_map: LogitMap, classes: int, dimension: int) -> float:
    """The mean loss in nats with every target at cosine 1, as `Outlook.lowest` describes it.

    Up to D + 1 centroids can stand at cosine -1 / (C - 1) to one another, up to D at cosine 0 as well; the
    better is taken. What training might win by spreading more centroids than that is `Outlook.best_slack`.
    """
    check_size(classes, dimension)
    if not _few(classes, dimension):
        return expected_loss(logit_map, classes, dimension, target=1.0)
    equal = torch.tensor([-1.0 / (classes - 1), 0.0][: 1 + (classes <= dimension)], dtype=torch.float64)
    own = _target(logit_map, torch.ones(1, dtype=torch.float64))
    others = math.log(classes - 1) + _rest(logit_map, equal).min()
    return float(np.logaddexp(0.0, others - own[0]))


def feasible_scale(logit_map: LogitMap, classes: int, dimension: int) -> float | None:
    """The smallest scale in 1/16..LARGEST_SCALE at which the loss can fall to training.scale.FLOOR, or None.

    Margin and all else stay; the logits are taken to be proportional to the scale, as those of every map here
    are. Found to within 0.1 %, from above.
    """
    low, high = math.log2(1.0 / 16.0), math.log2(LARGEST_SCALE)
    # The lowest loss is convex in the scale, so once it no longer falls no larger scale will do.
    for _ in range(15):
        middle = (low + high) / 2.0
        if _enough_or_past(_Rescaled(logit_map, 2.0**middle), classes, dimension):
            high = middle
        else:
            low = middle
    found = _Rescaled(logit_map, 2.0**high)
    return found.scale if _feasible(_slack(lowest_loss(found, classes, dimension))) else None


@dataclass(frozen=True)
class _Rescaled:
    """A map at another scale."""

    of: LogitMap
    scale: float

    def rest(self, cosine: Tensor) -> tuple[Tensor, Slope]:
        z, slope = self.of.rest(cosine)
        return z * (self.scale / self.of.scale), slope * (self.scale / self.of.scale)

    def target(self, cosine: Tensor) -> tuple[Tensor, Slope]:
        z, slope = self.of.target(cosine)
        return z * (self.scale / self.of.scale), slope * (self.scale / self.of.scale)


def _enough_or_past(logit_map: _Rescaled, classes: int, dimension: int) -> bool:
    here = lowest_loss(logit_map, classes, dimension)
    if _feasible(_slack(here)):
        return True
    return lowest_loss(_Rescaled(logit_map.of, logit_map.scale * 1.001), classes, dimension) >= here


def _few(classes: int, dimension: int) -> bool:
    return classes <= dimension + 1


def _best_slack(logit_map: LogitMap, classes: int, dimension: int) -> float:
    if _few(classes, dimension):
        return _slack(lowest_loss(logit_map, classes, dimension))
    # Welch's bound: the mean square of the cosines is no smaller, however C vectors lie in D dimensions.
    size = math.sqrt((classes - dimension) / (dimension * (classes - 1)))
    evenly = _rest(logit_map, torch.tensor([-size, size], dtype=torch.float64))
    others = math.log(classes - 1) + float(np.logaddexp.reduce(evenly)) - math.log(2.0)
    return float(_target(logit_map, torch.ones(1, dtype=torch.float64))[0]) - others


def _slack(loss: float) -> float:
    # A loss that underflowed to 0 has slack 708, not infinity.
    return headroom(max(loss, sys.float_info.min))


def _feasible(slack: float) -> bool:
    # A scale of training.scale meets the headroom with equality, which the quadrature must not turn down.
    return slack >= HEADROOM - 1e-6


def _random_cosines(dimension: int) -> tuple[Tensor, Floats]:
    """Nodes s (N,) float64 of the integral over random directions, and the logarithms of their weights (N,)."""
    # With s = cos t the density is sin(t)^(D - 2), finite at both ends even where D = 2, and about
    # 1 / sqrt(D) wide: the nodes stay closer than that. Midpoints never touch the ends, where it is 0.
    nodes = max(4096, 4 * math.isqrt(dimension))
    angle = (np.arange(nodes) + 0.5) * (math.pi / nodes)
    log_weight = (dimension - 2) * np.log(np.sin(angle))
    return torch.from_numpy(np.cos(angle)), log_weight - np.logaddexp.reduce(log_weight)


def _rest(logit_map: LogitMap, cosine: Tensor) -> Floats:
    logit: Floats = logit_map.rest(cosine)[0].numpy()
    return logit


def _target(logit_map: LogitMap, cosine: Tensor) -> Floats:
    logit: Floats = logit_map.target(cosine)[0].numpy()
    return logit


def _mean_excess(rest: Floats, rest_weight: Floats, own: Floats, own_weight: Floats, draws: int) -> float:
    """E max(0, max over `draws` of (rest + Gumbel) - (own + Gumbel)); logits (N,), weights (N,) of sum 1."""
    # e^-40 of the excess lies above the window, and own + Gumbel below it once in 1e20 draws or never.
    low = float(own[own_weight > 1e-20].min()) - 6.0
    high = float(max(rest.max(), own.max())) + math.log(draws) + 40.0
    # Gumbel noise makes the integrand so smooth that half a nat is a fine step. Past 1,000 nats the logits
    # themselves spread over many and the step may grow with them.
    steps = min(2048, math.ceil(2.0 * (high - low)))
    levels = np.linspace(low, high, steps + 1)
    return float(
        np.trapezoid([_excess_at(x, rest, rest_weight, own, own_weight, draws) for x in levels], levels)
    )


def _excess_at(
    level: float, rest: Floats, rest_weight: Floats, own: Floats, own_weight: Floats, draws: int
) -> float:
    one_above = min(_above(level, rest, rest_weight), 1.0 - 2.0**-53)
    any_above = -math.expm1(draws * math.log1p(-one_above))
    return (1.0 - _above(level, own, own_weight)) * any_above


def _above(level: float, logit: Floats, weight: Floats) -> float:
    """P(logit + Gumbel > level), exact to the last digits where it is tiny: a million draws multiply it."""
    return float(weight @ -np.expm1(-np.exp(np.minimum(logit - level, 50.0))))
