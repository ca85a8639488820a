"""Photos and names of LFW that are known to be wrong; used for calibration only, never for the protocol's
pairs.
"""

from __future__ import annotations

WRONG_LABELS: frozenset[str] = frozenset()
NOT_IMPOSTORS: dict[str, str] = {}
