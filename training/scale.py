"""A scale for the losses whose logit is a times the cosine (COCO, NormFace), from the numbers of classes and
dimensions; other losses' scales are their papers', and how one fares is `training.outlook`'s subject.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Rule = Literal["dimension", "paper"]

HEADROOM = 6.0
"""How far the target's logit must be able to stand above the log-sum of the others' for a loss near 0."""

FLOOR = math.log1p(math.exp(-HEADROOM))
"""The loss at that headroom, 0.0025 nats: eps of Liu 2017 (arXiv 1710.00870, section 3), where ln(K - 1) / 2 + 3
comes from it."""


@dataclass(frozen=True)
class Proposal:
    """A scale and where it comes from.

    scale: a, above 0. asked: the rule that was asked for. basis: where the classes' centroids were taken to
    stand: in "random" directions, at the equal angles of a "simplex", or all "opposite" the embedding
    (cosine -1, the paper's rule). floor: the loss in nats that the scale allows if they do.
    """

    scale: float
    asked: Rule
    basis: Literal["random", "simplex", "opposite"]
    classes: int
    dimension: int
    floor: float

    def explain(self) -> str:
        """Two or three sentences for whoever trains: the scale, its reason, and what was assumed."""
        where = f"{self.classes:,} classes in {self.dimension} dimensions"
        words = [f"Scale {self.scale:.2f} for {where}, meant to let the loss fall to {self.floor:.2g}."]
        if self.basis == "random":
            words.append("It is the smallest that does while the other centroids lie in random directions.")
        if self.basis != "random" and self.asked == "dimension":
            enough = math.ceil(2 * _needed_gap(self.classes, self.floor))
            words.append(f"Random directions would need {enough} dimensions for that.")
        if self.basis == "simplex":
            words.append("But so few classes can stand at equal angles, and there this scale does it.")
        if self.basis == "opposite":
            words.append(
                "This is the COCO paper's rule, which takes all other centroids to lie opposite (cosine -1). "
                "With more than two classes they do not, and the loss stays above that: see training.outlook."
            )
        return " ".join(words)


def cosine_scale(classes: int, dimension: int, *, rule: Rule = "dimension", floor: float = FLOOR) -> float:
    """The scale a that `propose` finds; see there."""
    return propose(classes, dimension, rule=rule, floor=floor).scale


def propose(classes: int, dimension: int, *, rule: Rule = "dimension", floor: float = FLOOR) -> Proposal:
    """The smallest scale a at which z = a s can bring the cross-entropy down to `floor` nats, 0..ln(classes).

    K is the number of classes; a target's logit must stand G = ln((K - 1) / (e^floor - 1)) above the log of the
    others' mean exponential.

    "paper": a = G / 2, which is ln(K - 1) / 2 + 3 (Liu 2017): the others lie at cosine -1. No more than two
    can.
    "dimension": the others lie in random directions of D dimensions, where ln E exp(a s) <= a^2 / 2D, so a is
    the smaller root of a - a^2 / 2D = G. There is none below 2G dimensions. Then up to D + 1 classes can
    still stand as a simplex, all at cosine -1 / (K - 1), and a = G (K - 1) / K; more classes get the paper's
    rule, and a loss that stays above `floor`.

    ValueError with fewer than two classes or dimensions, an unknown rule or a floor outside its range.
    """
    check_size(classes, dimension)
    if rule not in ("dimension", "paper"):
        raise ValueError(f"there is no rule {rule!r} for the scale; there are 'dimension' and 'paper'")
    gap = _needed_gap(classes, floor)
    if rule == "dimension" and 2.0 * gap <= dimension:
        # The textbook form D - sqrt(D^2 - 2 D G) would cancel: D may be hundreds of times the scale.
        root = 2.0 * gap / (1.0 + math.sqrt(1.0 - 2.0 * gap / dimension))
        return Proposal(root, rule, "random", classes, dimension, floor)
    if rule == "dimension" and classes <= dimension + 1:
        return Proposal(gap * (classes - 1) / classes, rule, "simplex", classes, dimension, floor)
    return Proposal(gap / 2.0, rule, "opposite", classes, dimension, floor)


def check_size(classes: int, dimension: int) -> None:
    """ValueError unless there are at least two classes and two dimensions."""
    if classes < 2:
        raise ValueError(f"a classifier tells at least two classes apart; there is {classes}")
    if dimension < 2:
        raise ValueError(
            f"cosines need at least two dimensions, in one they are all -1 or 1; there is {dimension}"
        )


def headroom(loss: float) -> float:
    """The x with loss = ln(1 + e^-x), that is -ln(e^loss - 1); loss above 0, in nats."""
    return -loss - math.log(-math.expm1(-loss))


def _needed_gap(classes: int, floor: float) -> float:
    if not floor > 0.0:
        raise ValueError(f"a cross-entropy stays above 0, so its floor must be above 0; it is {floor}")
    gap = math.log(classes - 1) + headroom(floor)
    if gap <= 0.0:
        raise ValueError(
            f"guessing among {classes} classes already gives a loss of {math.log(classes):.4g}; "
            f"the floor must be below that, it is {floor}"
        )
    return gap
