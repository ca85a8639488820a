"""One evaluation on YouTube Faces, from frames and splits to tables, a curve and a record; prints nothing."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.datasets.ytf import Ytf
from evaluation.embedding.parts import EmbeddedRows, embed_listed
from evaluation.embedding.sources import EmbeddingSource
from evaluation.provenance import versions
from evaluation.report.protocol_result import ProtocolResult, Table
from evaluation.templates.means import pair_scores, template_means
from evaluation.verification.curves import roc_plot
from evaluation.verification.measures import (
    FoldAccuracy,
    OperatingPoint,
    equal_error_rate,
    fold_accuracy,
    roc,
    tar_at_far,
)
from evaluation.verification.rows import accuracy_rows

FARS = (1e-1, 1e-2, 1e-3)
"""Rates that 2,500 impostor pairs can tell from zero."""


def run_ytf(source: EmbeddingSource, data: Ytf) -> ProtocolResult:
    """Embeds the frames, takes the mean of each video's, and measures the pairs of videos.

    DatasetError where a frame cannot be decoded.
    """
    embedded = embed_listed(source, data.images)
    videos = template_means(embedded.rows, data.video, np.zeros(len(data.video), np.int32))
    row = {video: at for at, video in enumerate(data.videos)}
    same = np.array([pair.same for pair in data.pairs])
    scores = pair_scores(
        videos,
        np.array([row[pair.left] for pair in data.pairs]),
        np.array([row[pair.right] for pair in data.pairs]),
    )
    curve = roc(scores, same)
    accuracy = fold_accuracy(scores, same, np.array([pair.fold for pair in data.pairs]))
    points = tuple(tar_at_far(curve, far) for far in FARS)
    error = equal_error_rate(curve)
    return ProtocolResult(
        protocol="ytf",
        title="YouTube Faces",
        subject=source.name,
        contract_id=source.contract_id,
        notes=_notes(data),
        tables=(_table(source.name, data, accuracy, points, error, embedded.faces),),
        figures=_figures(data, accuracy, points, error, embedded.faces),
        data=_data(data, embedded),
        versions=versions(),
        plots=(roc_plot("YouTube Faces: true over false accept rate", source.name, curve),),
    )


def _table(
    subject: str,
    data: Ytf,
    accuracy: FoldAccuracy,
    points: tuple[OperatingPoint, ...],
    error: float,
    faces: NDArray[np.int32],
) -> Table:
    rows = [["", subject], *accuracy_rows(accuracy)]
    for point in points:
        support = "" if point.supported else " (unsupported)"
        rows.append([f"TAR at FAR {point.far:g}, %", f"{100 * point.tar:.2f}{support}"])
    rows += [
        ["equal error rate, %", f"{100 * error:.2f}"],
        ["frames", f"{len(data.images.names):,}, {_which(data)}"],
        ["frames without a face found", str(int((faces == 0).sum()))],
        ["frames with several faces", str(int((faces > 1).sum()))],
    ]
    folds = len(accuracy.accuracies)
    return Table.of(f"{len(data.pairs):,} pairs of videos, {folds} folds", rows)


def _figures(
    data: Ytf,
    accuracy: FoldAccuracy,
    points: tuple[OperatingPoint, ...],
    error: float,
    faces: NDArray[np.int32],
) -> dict[str, Any]:
    return {
        "frames": data.frames.value,
        "every": data.every,
        "videos": len(data.videos),
        "images": len(data.images.names),
        "no_face": int((faces == 0).sum()),
        "several_faces": int((faces > 1).sum()),
        "accuracy": asdict(accuracy),
        "operating_points": [asdict(point) for point in points],
        "equal_error_rate": error,
    }


def _which(data: Ytf) -> str:
    return f"{data.frames}, all" if data.every == 1 else f"{data.frames}, 1 in {data.every}"


def _notes(data: Ytf) -> tuple[str, ...]:
    return (
        "YouTube Faces: a video is the mean of its frames' rows, brought to unit length. In each frame the face "
        "nearest the middle is taken, and where none is found the middle itself, so that no frame is left out. Each "
        "fold's threshold is chosen on the others; the standard error is that of the mean over the folds.",
        *(
            ()
            if data.frames == "aligned"
            else (
                "Whole frames hold other people as well, and the face nearest the middle need not be the labelled "
                "one: the aligned pictures are the surer measure.",
            )
        ),
    )


def _data(data: Ytf, embedded: EmbeddedRows) -> dict[str, str]:
    digest = "not opened" if embedded.images_digest is None else f"SHA-256 {embedded.images_digest}"
    return {
        "YouTube Faces frames": f"{len(data.images.names):,} of {len(data.videos):,} videos, {digest}",
        "splits.txt": f"SHA-256 {data.splits_digest}",
    }
