"""Made strangers whose cosines with given probes are spread as those of real ones, for galleries of any size."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
BLOCK = 8192
STEP = 0.05
BEYOND = 20
"""Real cosines that lie beyond the last point of a map; further out it goes on with the slope of its last deviation."""
PROBES_ALIKE = 45
"""Probes that share a map: with 4,000 strangers it is measured down to a rate of 1e-4."""
TAIL_RATE = 0.02


class Strangers:
    """Strangers to given probes (P, D), fitted to the templates of real strangers (n, D), P x n some millions.

    Made rows are normal with the mean and covariance of the real ones, and not brought to unit length: their products
    with a probe are exactly normal, with a mean and a spread that are the probe's own. Real cosines, so standardised,
    need not be normal: the default pack's nearly are, retail-0095's have a longer upper tail. So a rising map, from
    normal deviations to real ones of the same rate, turns products into cosines. Probes of about the same spread and
    the same tail share one; pooled over all, the heaviest tails would be given to all probes. As maps rise, a product
    is above `as_product` of a mate's cosine exactly when its own cosine is above the mate's, and counting needs no map
    of every product.
    """

    def __init__(self, probes: Float32, real: Float32) -> None:
        cosines = probes @ real.T
        self._centre = cosines.mean(axis=1).astype(np.float64)  # (P,)
        self._spread = cosines.std(axis=1).astype(np.float64)
        cosines -= self._centre[:, None].astype(np.float32)
        cosines /= self._spread[:, None].astype(np.float32)
        self._group = np.empty(len(probes), np.int64)
        self._maps: list[tuple[Float64, Float64]] = []
        for members in _alike(self._spread, np.quantile(cosines, 1 - TAIL_RATE, axis=1)):
            self._group[members] = len(self._maps)
            self._maps.append(_map(cosines[members]))
        self._mean = real.mean(axis=0)
        _, lengths, axes = np.linalg.svd(real - self._mean, full_matrices=False)
        self._axes: Float32 = (lengths[:, None] / np.sqrt(len(real) - 1) * axes).astype(np.float32)

    def blocks(self, count: int, seed: int) -> Iterator[Float32]:
        """`count` rows in blocks of at most BLOCK; the same for the same seed."""
        rng = np.random.default_rng(seed)
        for start in range(0, count, BLOCK):
            drawn = rng.standard_normal((min(BLOCK, count - start), len(self._axes)), dtype=np.float32)
            yield drawn @ self._axes + self._mean

    def as_cosine(self, products: NDArray[np.floating], probe: NDArray[np.int64]) -> Float64:
        """The cosine of each product (..., n) of a made row with the probe of that number (n,)."""
        return self._mapped(products, probe, [(normal, real) for normal, real in self._maps])

    def as_product(self, cosines: NDArray[np.floating], probe: NDArray[np.int64]) -> Float64:
        """The product that made rows exceed as rarely as real strangers exceed the cosine. Shapes as above."""
        return self._mapped(cosines, probe, [(real, normal) for normal, real in self._maps])

    def _mapped(
        self,
        values: NDArray[np.floating],
        probe: NDArray[np.int64],
        maps: list[tuple[Float64, Float64]],
    ) -> Float64:
        mapped = (values - self._centre[probe]) / self._spread[probe]
        group = self._group[probe]
        for number, (from_, to) in enumerate(maps):
            mine = group == number
            mapped[..., mine] = _extended(mapped[..., mine], from_, to)
        cosines: Float64 = self._centre[probe] + self._spread[probe] * mapped
        return cosines


def _alike(spread: Float64, shape: Float64) -> list[NDArray[np.int64]]:
    """Numbers of probes in groups of about PROBES_ALIKE: cut by spread first, each part then by the tail's shape."""
    cuts = max(1, round((len(spread) / PROBES_ALIKE) ** 0.5))
    parts = np.array_split(np.argsort(spread, kind="stable"), cuts)
    return [
        group
        for part in parts
        for group in np.array_split(part[np.argsort(shape[part], kind="stable")], cuts)
    ]


def _map(deviations: Float32) -> tuple[Float64, Float64]:
    """Normal deviations, STEP apart, and the real ones that are exceeded at the same rates."""
    rising = np.sort(deviations, axis=None)
    outermost = NormalDist().inv_cdf(1 - BEYOND / rising.size)
    normal = np.arange(-outermost, outermost, STEP)
    rates = np.array([NormalDist().cdf(point) for point in normal])
    return normal, rising[(rates * rising.size).astype(int)].astype(np.float64)


def _extended(values: Float64, from_: Float64, to: Float64) -> Float64:
    """Linear between the points, and beyond them with the slope of the last standard deviation."""
    reach = round(1 / STEP)
    low = (to[reach] - to[0]) / (from_[reach] - from_[0])
    high = (to[-1] - to[-1 - reach]) / (from_[-1] - from_[-1 - reach])
    inside = np.interp(values, from_, to)
    inside += np.minimum(values - from_[0], 0) * low + np.maximum(values - from_[-1], 0) * high
    return inside
