"""What every protocol hands over: tables, plots, figures and what they were made with; measures and draws nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import Any

import numpy as np

from evaluation.report.svg import Axis, Curve, picture


@dataclass(frozen=True)
class Table:
    """Rows of text for people; the first is the head, and the first column names the rows."""

    title: str
    rows: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, title: str, rows: Sequence[Sequence[str]]) -> Table:
        return cls(title, tuple(tuple(row) for row in rows))


@dataclass(frozen=True)
class Plot:
    """Curves on two axes. Results of several packs whose plots have one title are drawn over each other."""

    title: str
    across: Axis
    up: Axis
    curves: tuple[Curve, ...]
    legend_left: bool = False

    def svg(self) -> str:
        return picture(self.title, self.across, self.up, self.curves, legend_left=self.legend_left)


@dataclass(frozen=True)
class ProtocolResult:
    """One pack on one protocol.

    protocol: short key, as the command is called, "cfp-fp". title: "CFP, frontal-profile". subject: whose embeddings,
    as in tables and legends. contract_id: of those embeddings. notes: sentences that a reader needs to understand
    figures. tables: one column for the subject beside the names, so that those of several packs are set side by side
    where the names agree. figures: everything as JSON values. data: what was measured on, name -> description
    with digest.
    """

    protocol: str
    title: str
    subject: str
    contract_id: str
    notes: tuple[str, ...]
    tables: tuple[Table, ...]
    figures: Mapping[str, Any]
    data: Mapping[str, str]
    versions: Mapping[str, str]
    plots: tuple[Plot, ...] = field(default=())

    def record(self) -> dict[str, Any]:
        """As JSON values, for `--json`; pictures are left out."""
        made: dict[str, Any] = finite(
            {
                "protocol": self.protocol,
                "title": self.title,
                "pack": self.subject,
                "contract_id": self.contract_id,
                "figures": self.figures,
                "data": self.data,
                "versions": self.versions,
            }
        )
        return made


def finite(value: Any) -> Any:
    """A value as JSON can hold it: mappings, lists, texts, numbers; NaN and infinity become null, arrays lists."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(key): finite(one) for key, one in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return finite(value.tolist())
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
