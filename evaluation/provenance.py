"""What a figure was made with: versions of everything that can change it; no figures here."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path

import faces
from evaluation.datasets.images import combined_digest

DISTRIBUTIONS = ("cocircle", "numpy", "onnxruntime", "opencv-python-headless")

# What of faces/ cannot change an embedding; the pack's own files are in its contract.
BESIDE_THE_PIPELINE = (
    "calibration.py",
    "manifest.py",
    "pack.py",
    "pack_pull.py",
    "pack_source.py",
    "quality.py",
)


def pipeline_digest() -> str:
    """SHA-256 over the source of the pipeline, so that what other code embedded is never taken for ours."""
    root = Path(faces.__file__).parent
    files = (path for path in sorted(root.rglob("*.py")) if path.name not in BESIDE_THE_PIPELINE)
    return combined_digest([part for path in files for part in (path.name.encode(), path.read_bytes())])


def versions() -> dict[str, str]:
    """Version by name; "absent" where a distribution is not installed under that name."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in DISTRIBUTIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "absent"
    return found
