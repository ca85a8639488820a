"""Synthetic templates that are spread as face embeddings are: for sizes no public set of faces has."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
IMPOSTOR_STD = 0.057
GENUINE_MEAN = 0.66
SHARE_STD = 0.14
"""How much the part of a photo that is its person varies."""


class FaceLike:
    """People as directions, photos as people plus noise.

    Two strangers' cosines have mean 0 and standard deviation .057, two photos of one person .66 on average,
    with a standard deviation of about .09: there are bad photos too. The
    variance falls off over the directions of the space (an effective dimension of 1 / .057**2 = 308, or half the
    dimension where that is less), which a random rotation then mixes.
    """

    def __init__(self, dimension: int, seed: int = 0) -> None:
        self.dimension = dimension
        self._seed = seed
        effective = min(1 / IMPOSTOR_STD**2, dimension / 2)
        self._scale = np.sqrt(_spectrum(dimension, effective)).astype(np.float32)
        rng = np.random.default_rng([seed, 0])
        mixed = np.linalg.qr(rng.standard_normal((dimension, dimension)))[0]
        self._mix: Float32 = (self._scale[:, None] * mixed).astype(np.float32)

    def _draw(self, rng: np.random.Generator, count: int) -> Float32:
        drawn: Float32 = rng.standard_normal((count, self.dimension), dtype=np.float32) @ self._mix
        return drawn

    def people(self, block: int, count: int) -> Float32:
        """(count, D) unit directions; the same for the same block number."""
        return _unit(self._draw(np.random.default_rng([self._seed, 1, block]), count))

    def photos(self, people: Float32, seed: int) -> Float32:
        """(count, D) unit templates, one new photo of each person."""
        noise = _unit(self._draw(np.random.default_rng([self._seed, 2, seed]), len(people)))
        share = np.random.default_rng([self._seed, 3, seed]).normal(GENUINE_MEAN, SHARE_STD, len(people))
        share = np.clip(share, 0.02, 0.98).astype(np.float32)[:, None]
        return _unit(np.sqrt(share) * people + np.sqrt(1 - share) * noise)

    def blocks(self, count: int, size: int = 50_000) -> Iterator[Float32]:
        """One photo each of `count` people, in blocks of (size, D)."""
        for block, start in enumerate(range(0, count, size)):
            yield self.photos(self.people(block, min(size, count - start)), block)


def _unit(rows: Float32) -> Float32:
    rows /= np.sqrt(np.einsum("nd,nd->n", rows, rows))[:, None]
    return rows


def _spectrum(dimension: int, effective: float) -> NDArray[np.float64]:
    """Variances that fall exponentially, sum to 1 and have 1 / sum of squares = effective."""
    low, high = 0.0, 50.0
    for _ in range(60):
        fall = (low + high) / 2
        values = np.exp(-fall * np.arange(dimension) / dimension)
        values /= values.sum()
        low, high = (fall, high) if 1 / np.square(values).sum() > effective else (low, fall)
    return values
