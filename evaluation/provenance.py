"""What a figure was made with: versions of everything that can change it; no figures here."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path

import faces
from evaluation.datasets.images import combined_digest

DISTRIBUTIONS = ("cocircle", "numpy", "onnxruntime", "opencv-python-headless")

# What stands between an encoded image and its embedding, beside the pack's files.
PIPELINE = ("image", "image_header", "view", "planes", "detect", "refine", "align", "embed", "session", "analyzer")


def pipeline_digest() -> str:
    """SHA-256 over the source of the pipeline, so that what other code embedded is never taken for ours."""
    root = Path(faces.__file__).parent
    files = [path for name in PIPELINE for path in (root / f"{name}.py", *sorted((root / name).glob("*.py")))]
    return combined_digest([path.read_bytes() for path in files if path.is_file()])


def versions() -> dict[str, str]:
    """Version by name; "absent" where a distribution is not installed under that name."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in DISTRIBUTIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "absent"
    return found
