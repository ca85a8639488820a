"""Classifier losses as maps from a cosine to a logit and its slope; sums no softmax and holds no centroid.

Every loss here is a cross-entropy over logits z_ij that depend on the cosine s_ij of embedding i and
centroid j alone, by one rule for the target class of a row and one for the rest. So a loss is its map: a new
one is one small class with two functions. The slope is what backward uses for dz/ds; it is written out, not
left to autograd, because Circle's is not the derivative of its z.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

Slope = Tensor | float
"""dz/ds: a tensor of the cosines' shape, or one number where it is the same at every cosine."""


class LogitMap(Protocol):
    """A classifier loss. Both functions take cosines of any shape and return (z, slope), z of that shape.

    They must not change their argument, must keep its dtype, and must be finite for every cosine in -1..1.
    """

    @property
    def scale(self) -> float:
        """The factor g (or a) of the papers, above 0."""
        ...

    def rest(self, cosine: Tensor) -> tuple[Tensor, Slope]:
        """Logit and slope for a class that is not the row's own."""
        ...

    def target(self, cosine: Tensor) -> tuple[Tensor, Slope]:
        """Logit and slope for the row's own class."""
        ...


@dataclass(frozen=True)
class ScaledCosine:
    """z = a s for every class: COCO (Liu 2017, arXiv 1710.00870, v2) and NormFace (Wang 2017) alike.

    scale: a; `training.scale` gives one for the number of classes and dimensions.
    """

    scale: float

    def __post_init__(self) -> None:
        check_setting(self.scale, 0.0)

    def rest(self, cosine: Tensor) -> tuple[Tensor, Slope]:
        """See LogitMap.rest."""
        return self.scale * cosine, self.scale

    def target(self, cosine: Tensor) -> tuple[Tensor, Slope]:
        """See LogitMap.target."""
        return self.scale * cosine, self.scale


@dataclass(frozen=True)
class CosFace:
    """z = g s, the target's g (s - m): CosFace (Wang 2018, m = 0.4) and AM-Softmax (Wang 2018, m = 0.35)."""

    scale: float = 64.0
    margin: float = 0.4

    def __post_init__(self) -> None:
        check_setting(self.scale, self.margin)

    def rest(self, cosine: Tensor) -> tuple[Tensor, Slope]:
        """See LogitMap.rest."""
        return self.scale * cosine, self.scale

    def target(self, cosine: Tensor) -> tuple[Tensor, Slope]:
        """See LogitMap.target."""
        return self.scale * (cosine - self.margin), self.scale


@dataclass(frozen=True)
class ArcFace:
    """z = g s, the target's g cos(t + m) with t = arccos s (Deng 2019, eq. 3); margin m in radians, 0..pi/2.

    For s <= cos(pi - m), where cos(t + m) would rise again, the target's is g (s - m sin m), as in the
    authors' code. Its slope there is g, elsewhere the true one, g sin(t + m) / sin t.
    """

    scale: float = 64.0
    margin: float = 0.5

    def __post_init__(self) -> None:
        check_setting(self.scale, self.margin, most=math.pi / 2)

    def rest(self, cosine: Tensor) -> tuple[Tensor, Slope]:
        """See LogitMap.rest."""
        return self.scale * cosine, self.scale

    def target(self, cosine: Tensor) -> tuple[Tensor, Slope]:
        """See LogitMap.target. Where sin t is below the dtype's resolution the slope keeps its last value."""
        cos_m, sin_m = math.cos(self.margin), math.sin(self.margin)
        sine = (1.0 - cosine.square()).clamp_min(0.0).sqrt()
        # The embedding's gradient is the slope times sin t, so a bounded slope costs nothing where t is 0.
        slope = cos_m + sin_m * cosine / sine.clamp_min(torch.finfo(cosine.dtype).eps ** 0.5)
        beyond = cosine <= -cos_m
        z = torch.where(beyond, cosine - self.margin * sin_m, cosine * cos_m - sine * sin_m)
        return self.scale * z, self.scale * torch.where(beyond, 1.0, slope)


@dataclass(frozen=True)
class Circle:
    """Circle loss with class-level labels (Sun 2020, arXiv 2002.10857, eq. 5-10).

    z = g a_n (s - m) with a_n = [s + m]+, the target's g a_p (s - 1 + m) with a_p = [1 + m - s]+. The paces
    a_n, a_p are constants for the gradient (eq. 9-10), so the slope is g a, not the product's derivative.
    Defaults are those for faces; re-identification takes g = 128, fine-grained retrieval g = 80, m = 0.4.
    """

    scale: float = 256.0
    margin: float = 0.25

    def __post_init__(self) -> None:
        check_setting(self.scale, self.margin)

    def rest(self, cosine: Tensor) -> tuple[Tensor, Slope]:
        """See LogitMap.rest."""
        slope = self.scale * (cosine + self.margin).clamp_min(0.0)
        return slope * (cosine - self.margin), slope

    def target(self, cosine: Tensor) -> tuple[Tensor, Slope]:
        """See LogitMap.target."""
        slope = self.scale * (1.0 + self.margin - cosine).clamp_min(0.0)
        return slope * (cosine - (1.0 - self.margin)), slope


@dataclass(frozen=True)
class Named:
    """A loss by the name users write, and what the papers set where the user sets nothing.

    defaults: of the map's fields; a field without a default must be given.
    """

    of: type[ScaledCosine] | type[CosFace] | type[ArcFace] | type[Circle]
    defaults: dict[str, float]


MAPS: dict[str, Named] = {
    "coco": Named(ScaledCosine, {}),
    "normface": Named(ScaledCosine, {}),
    "cosface": Named(CosFace, {"scale": 64.0, "margin": 0.4}),
    "am-softmax": Named(CosFace, {"scale": 64.0, "margin": 0.35}),
    "arcface": Named(ArcFace, {"scale": 64.0, "margin": 0.5}),
    "circle": Named(Circle, {"scale": 256.0, "margin": 0.25}),
}
"""COCO and NormFace take their scale from the data (`training.scale.cosine_scale`)."""


def logit_map(name: str, **settings: float) -> LogitMap:
    """The map of MAPS by name, with `scale` and `margin` where they differ from the paper's.

    ValueError names an unknown map, an unknown or a missing setting, or a value out of range.
    """
    if name not in MAPS:
        raise ValueError(f"there is no loss named {name!r}; there are {', '.join(MAPS)}")
    named = MAPS[name]
    fields = set(named.of.__dataclass_fields__)
    if unknown := sorted(settings.keys() - fields):
        raise ValueError(f"{name} has no setting {unknown[0]!r}; it takes {' and '.join(sorted(fields))}")
    given = named.defaults | settings
    if missing := sorted(fields - given.keys()):
        raise ValueError(f"{name} needs a {missing[0]}; training.scale.cosine_scale proposes one")
    return named.of(**given)


def check_setting(scale: float, margin: float, most: float = 1.0) -> None:
    """ValueError unless the scale is finite and above 0 and the margin in 0..most."""
    if not (math.isfinite(scale) and scale > 0):
        raise ValueError(f"a scale must be finite and above 0; it is {scale}")
    if not 0.0 <= margin <= most:
        raise ValueError(f"a margin must lie in 0..{most:.4g}; it is {margin}")


class _Mapped(torch.autograd.Function):
    """A logit map over a whole matrix for autograd: its own z forward, its own slope backward."""

    @staticmethod
    def forward(ctx: Any, cosine: Tensor, labels: Tensor, of: LogitMap) -> Tensor:
        z, slope = of.rest(cosine)
        slopes = slope.clone() if isinstance(slope, Tensor) else torch.full_like(cosine, slope)
        own = labels[:, None]
        target_z, target_slope = of.target(cosine.gather(1, own))
        slopes.scatter_(1, own, torch.as_tensor(target_slope, dtype=z.dtype).expand_as(target_z))
        ctx.save_for_backward(slopes)
        return z.scatter(1, own, target_z)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (slopes,) = ctx.saved_tensors
        return gradient * slopes, None, None


def logits(cosine: Tensor, labels: Tensor, of: LogitMap) -> Tensor:
    """All logits (B, C) of cosines (B, C) and labels (B,) int64, differentiable by the map's own slopes.

    The plain form, B x C floats several times over: for references, small problems and pictures.
    """
    mapped: Tensor = _Mapped.apply(cosine, labels, of)  # type: ignore[no-untyped-call]
    return mapped
