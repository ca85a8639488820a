"""One template as a source holds it; knows no file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from serving.jobs.sources.source import Trouble, Unfit


@dataclass(frozen=True)
class TemplateRow:
    """embedding: (D,) float, of any length. quality: 0..1."""

    embedding: NDArray[Any]
    quality: float


Read = TemplateRow | Unfit | Trouble
"""A row, or why it cannot be had."""
