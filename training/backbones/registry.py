"""Networks by name, and what all of them promise; gives them first values and reads no weights."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from torch import Tensor, nn

from training.backbones.cpu import traced
from training.backbones.embedding import Embedding

SIDE = 112
"""Pixels of an aligned crop, each way."""


class Backbone(nn.Module):
    """What every network promises; a new one defines `features` and hands its `Embedding` to this class.

    forward(images (B, 3, 112, 112)) -> embeddings (B, dimension) float32, not normalised. Images are RGB, about
    -1..1, as `training.backbones.images.normalised` makes them, in float32, float16 or bfloat16; the network
    computes in the type of its parameters, or in autocast's, and the embedding layer never in autocast's. In
    training mode B is at least 2, because of batch normalisation. ValueError names a wrong shape.

    Both memory formats give the same embeddings; `network.to(memory_format=torch.channels_last)` is the faster.
    First values come from torch's generator alone, so `torch.manual_seed` repeats them.

    dimension: numbers in an embedding. gradient_checkpointing: whether blocks are computed again in backward
    instead of kept (checkpointing.py); may be changed at any time.
    """

    def __init__(self, embedding: Embedding, gradient_checkpointing: bool) -> None:
        super().__init__()
        self.embedding = embedding
        self.dimension = embedding.dimension
        self.gradient_checkpointing = gradient_checkpointing

    def forward(self, images: Tensor) -> Tensor:
        """See the class."""
        if not traced() and (images.ndim != 4 or images.shape[1:] != (3, SIDE, SIDE)):
            raise ValueError(f"images must be (B, 3, {SIDE}, {SIDE}); these are {tuple(images.shape)}")
        embeddings: Tensor = self.embedding(self.features(images.to(self.embedding.linear.weight.dtype)))
        return embeddings

    def features(self, images: Tensor) -> Tensor:
        """(B, 3, 112, 112) -> (B, F), what the embedding layer takes."""
        raise NotImplementedError


Class = TypeVar("Class", bound=type[Backbone])


@dataclass(frozen=True)
class Named:
    """A network by the name users write. preset: the settings that make the class this very network."""

    of: Callable[..., Backbone]
    preset: dict[str, Any]

    def settings(self) -> list[str]:
        """What may be set beside the dimension."""
        return [name for name in inspect.signature(self.of).parameters if name != "dimension"]


_NAMED: dict[str, Named] = {}


def register(name: str, **preset: Any) -> Callable[[Class], Class]:
    """Enter the decorated class under `name` with these settings; a class may have several names.

    ValueError if the name is taken.
    """

    def enter(of: Class) -> Class:
        if name in _NAMED:
            raise ValueError(f"a backbone named {name!r} is there already: {_NAMED[name].of}")
        _NAMED[name] = Named(of, preset)
        return of

    return enter


def names() -> list[str]:
    """All registered networks, a family together."""
    return sorted(_NAMED, key=lambda name: (name.split("-")[0], len(name), name))


def backbone(name: str, dimension: int = 512, **settings: Any) -> Backbone:
    """A network with first values, on torch's default device and in its default type.

    settings: the class's own, see there; they override what the name stands for. ValueError names an unknown
    network or setting and what there is, or a value out of range.
    """
    if name not in _NAMED:
        raise ValueError(f"there is no backbone named {name!r}; there are {', '.join(names())}")
    named = _NAMED[name]
    if unknown := sorted(settings.keys() - set(named.settings())):
        raise ValueError(f"{name} has no setting {unknown[0]!r}; it takes {', '.join(named.settings())}")
    return named.of(dimension, **(named.preset | settings))
