"""From an image to faces: decode, detect, judge, align, embed, by a model pack; no gallery, no server."""

import os

# From release 1.29 ONNX Runtime reports to its maker as soon as it is imported, unless this stands before it.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
