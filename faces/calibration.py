"""What a cosine means for one model pack: the rate of false matches it stands for. Measures nothing."""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

Point = tuple[float, float]


@dataclass(frozen=True)
class Calibration:
    """False match rate by cosine, as measured on pairs of different people.

    cosines: strictly rising, within -1..1, at least 2. log10_fmr: log10 of the share of those pairs at or
    above each cosine, <= 0 and strictly falling. data: which pairs. pairs: how many of them. floor: the
    lowest false match rate that many pairs support; rates below it come from the tail and are extrapolated.

    Between the points log10(FMR) is linear in the cosine; below the first it rises to FMR 1 at cosine -1;
    above the last it goes on with the slope of the last measured decade.
    """

    cosines: tuple[float, ...]
    log10_fmr: tuple[float, ...]
    data: str
    pairs: int
    floor: float

    def __post_init__(self) -> None:
        if len(self.cosines) != len(self.log10_fmr) or len(self.cosines) < 2:
            raise ValueError(
                f"cosines and log10_fmr need the same length, at least 2; "
                f"got {len(self.cosines)} and {len(self.log10_fmr)}"
            )
        if not all(math.isfinite(number) for number in (*self.cosines, *self.log10_fmr)):
            raise ValueError("cosines and log10_fmr must be finite numbers")
        if self.cosines[0] < -1 or self.cosines[-1] > 1 or not _rising(self.cosines):
            raise ValueError("cosines must rise strictly, from -1 at least to 1 at most")
        if self.log10_fmr[0] > 0 or not _rising([-level for level in self.log10_fmr]):
            raise ValueError("log10_fmr must fall strictly, from 0 at most")
        if self.pairs < 1:
            raise ValueError(f"pairs must be at least 1, got {self.pairs}")
        if not 0 < self.floor <= 1:
            raise ValueError(f"floor must lie within 0..1, got {self.floor}")

    @cached_property
    def _points(self) -> tuple[Point, ...]:
        points = tuple(zip(self.cosines, self.log10_fmr, strict=True))
        return points if self.cosines[0] == -1 else ((-1.0, 0.0), *points)

    @cached_property
    def _tail(self) -> float:
        """Slope d(log10 FMR)/d(cosine) < 0 over the last measured decade."""
        last_cosine, last_level = self._points[-1]
        cosine, level = next(point for point in reversed(self._points[:-1]) if self._starts_decade(point))
        return (last_level - level) / (last_cosine - cosine)

    def _starts_decade(self, point: Point) -> bool:
        return point[1] >= self._points[-1][1] + 1 or point is self._points[0]

    def _log10(self, cosine: float) -> float:
        cosine = min(max(cosine, -1.0), 1.0)
        after = bisect_right(self._points, cosine, key=lambda point: point[0])
        if after == len(self._points):
            last_cosine, last_level = self._points[-1]
            return last_level + self._tail * (cosine - last_cosine)
        (left, high), (right, low) = self._points[after - 1], self._points[after]
        return high + (low - high) * (cosine - left) / (right - left)

    def false_match_rate(self, cosine: float) -> float:
        """The share (0..1] of pairs of different people that reach this cosine."""
        return float(10.0 ** self._log10(cosine))

    def match_level(self, cosine: float) -> float:
        """-log10 of the false match rate, >= 0: 3 is one false match in a thousand comparisons."""
        return max(0.0, -self._log10(cosine))

    def threshold(self, max_fmr: float) -> float:
        """The lowest cosine (-1..1) whose false match rate is at most max_fmr (0 < max_fmr <= 1)."""
        if not 0 < max_fmr <= 1:
            raise ValueError(f"max_fmr must lie within 0..1 (0 excluded), got {max_fmr}")
        level = math.log10(max_fmr)
        last_cosine, last_level = self._points[-1]
        if level < last_level:
            return min(1.0, last_cosine + (level - last_level) / self._tail)
        after = bisect_right(self._points, -level, key=lambda point: -point[1])
        if after == len(self._points):
            return last_cosine
        if after == 0:
            return -1.0
        (left, high), (right, low) = self._points[after - 1], self._points[after]
        return left + (right - left) * (level - high) / (low - high)

    def is_extrapolated(self, cosine: float) -> bool:
        """True where the rate is lower than the measured pairs can support."""
        return cosine > self.cosines[-1] or self.false_match_rate(cosine) < self.floor


def _rising(values: list[float] | tuple[float, ...]) -> bool:
    return all(left < right for left, right in pairwise(values))
