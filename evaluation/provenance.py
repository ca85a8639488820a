"""What a figure was made with: versions of everything that can change it; no figures here."""

from __future__ import annotations

import platform
from importlib import metadata

DISTRIBUTIONS = ("cocircle", "numpy", "onnxruntime", "opencv-python-headless")


def versions() -> dict[str, str]:
    """Version by name; "absent" where a distribution is not installed under that name."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in DISTRIBUTIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "absent"
    return found
