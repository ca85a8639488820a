"""From cosines to decisions: thresholds by false match rate, for one comparison and for a search of N templates."""

from __future__ import annotations

import math
from dataclasses import dataclass

from faces.pack import Calibration
from serving.errors import invalid_request


@dataclass(frozen=True)
class Scale:
    """A pack's calibration seen through a gallery of `comparisons` templates (1 for verification).

    A search by a stranger makes N comparisons; taken as independent, it finds somebody with probability
    1 - (1 - FMR)^N.
    """

    calibration: Calibration | None
    comparisons: int = 1

    def threshold(self, threshold: float | None, max_fmr: float | None, default_fmr: float) -> float:
        """The cosine to accept from: the caller's own, or that of the caller's or the default rate.

        Raises ApiError 422 when both are given, or when a rate is needed and the pack has no calibration.
        """
        if threshold is not None and max_fmr is not None:
            raise invalid_request([{"field": "threshold", "problem": "give threshold or max_fmr, not both"}])
        if threshold is not None:
            return threshold
        if self.calibration is None:
            text = "this model pack has no calibration, so a cosine threshold must be given"
            raise invalid_request([{"field": "threshold", "problem": text}])
        return self.calibration.threshold(self._one_comparison(max_fmr or default_fmr))

    def rate(self, cosine: float) -> float | None:
        """Probability that a stranger reaches this cosine anywhere in the gallery; None without calibration."""
        if self.calibration is None:
            return None
        one = self.calibration.false_match_rate(cosine)
        return 1.0 if one >= 1 else -math.expm1(max(self.comparisons, 1) * math.log1p(-one))

    def level(self, cosine: float) -> float | None:
        """match_level: -log10 of the rate."""
        rate = self.rate(cosine)
        return None if rate is None else max(0.0, -math.log10(max(rate, 1e-300)))

    def extrapolated(self, cosine: float) -> bool:
        """True when the rate lies below what the calibration's data supports."""
        return self.calibration is not None and self.calibration.is_extrapolated(cosine)

    def _one_comparison(self, search_rate: float) -> float:
        return -math.expm1(math.log1p(-search_rate) / max(self.comparisons, 1))
