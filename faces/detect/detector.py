"""A detector of a pack, loaded: pixels of one size in, candidates out. Chooses no scale, merges nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faces.detect import scrfd, yunet
from faces.detect.candidates import Candidates
from faces.manifest import DetectorSpec, PackError
from faces.planes import to_planes
from faces.session import Session


class Detector:
    """Threads may call it at once. batches: whether the model takes several images in one run."""

    def __init__(self, session: Session, spec: DetectorSpec) -> None:
        """Raises PackError where the model's outputs are not those of the manifest's kind of detector."""
        self.spec = spec
        self._session = session
        if spec.kind == "yunet" and set(session.outputs) != set(yunet.OUTPUTS):
            raise PackError(f"{spec.model.file}: no YuNet: its outputs are {', '.join(session.outputs)}")
        if spec.kind == "scrfd" and len(session.outputs) != 9:
            raise PackError(
                f"{spec.model.file}: no SCRFD with five points: it has {len(session.outputs)} outputs, not 9"
            )
        self.batches = all(len(shape) == 3 for shape in session.output_shapes)

    def find(self, images: NDArray[np.uint8]) -> list[Candidates]:
        """(B, H, W, 3) uint8, blue green red, H and W multiples of 32 -> candidates of each image."""
        width = images.shape[2]
        runs = [images] if self.batches else [images[at : at + 1] for at in range(len(images))]
        found: list[Candidates] = []
        for run in runs:
            outputs = self._session.run(to_planes(run, self.spec.normalisation))
            if self.spec.kind == "yunet":
                named = dict(zip(self._session.outputs, outputs, strict=True))
                found += yunet.decode(named, width, self.spec.score)
            else:
                found += scrfd.decode(outputs, width, self.spec.score)
        return found
