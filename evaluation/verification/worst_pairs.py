"""The pairs that a source of embeddings judges most wrongly, with their pictures, as a sheet to look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum

from evaluation.datasets.images import DatasetError
from evaluation.datasets.pairs import PairSet
from evaluation.embedding.pipeline import Embeds, central_crop, nearest_the_middle
from evaluation.report.contact_sheet import SheetColumn, SheetRow, contact_sheet
from evaluation.verification.figures import worst_pairs
from evaluation.verification.measures import equal_error_threshold, roc, tar_at_far
from evaluation.verification.run import PairScores, same_labels
from faces.analyzer import EmbedWhat
from faces.face import Crop, Image
from faces.image import decode_image

Show = Callable[[Image], Image]
"""What is shown of an image: itself, or the crop that was compared."""


class WorstAt(StrEnum):
    """The threshold that decides which pairs are judged wrongly."""

    EER = "eer"
    FAR_1E_3 = "1e-3"


def worst_sheet(
    data: PairSet, scores: PairScores, subject: str, *, at: WorstAt, count: int, show: Show
) -> bytes:
    """A JPEG of at most `count` false non-matches of lowest and false matches of highest cosine.

    subject: whose embeddings, for the titles. DatasetError where a FAR of 1e-3 is asked for and there are fewer than
    1,000 impostor pairs.
    """
    same = same_labels(data)
    threshold = _threshold(data, scores, at)
    missed, passed = worst_pairs(scores.cosines, same, threshold, count)
    pictures = _pictures(data, [*missed, *passed], show)
    columns = [
        SheetColumn(f"{title}, {subject}", _rows(data, scores, pictures, places))
        for title, places in (
            (f"false non-matches below {threshold:.3f}", missed),
            (f"false matches from {threshold:.3f}", passed),
        )
    ]
    return contact_sheet(columns)


def subject_crop(analyzer: Embeds, photo: Image) -> Crop:
    """The crop of a photo that `evaluation.embedding.pipeline` compares, (112, 112, 3)."""
    (analysis,) = analyzer.analyze([photo], embed=EmbedWhat.NONE)
    return nearest_the_middle(analysis.faces, photo).crop if analysis.faces else central_crop(photo)


def _threshold(data: PairSet, scores: PairScores, at: WorstAt) -> float:
    curve = roc(scores.cosines, same_labels(data))
    if at is WorstAt.EER:
        return equal_error_threshold(curve)
    point = tar_at_far(curve, 1e-3)
    if not point.supported:
        raise DatasetError(
            f"{data.lists} has {curve.impostor:,} impostor pairs, too few for a FAR of 1e-3; the equal error rate "
            "takes any number"
        )
    return point.threshold


def _pictures(data: PairSet, places: Sequence[int], show: Show) -> dict[str, Image]:
    wanted = {name for place in places for name in (data.pairs[place].left, data.pairs[place].right)}
    return {name: show(decode_image(content)) for name, content in data.images.read() if name in wanted}


def _rows(
    data: PairSet, scores: PairScores, pictures: Mapping[str, Image], places: Sequence[int]
) -> tuple[SheetRow, ...]:
    rows = []
    for place in places:
        pair = data.pairs[place]
        lines = (f"cosine {scores.cosines[place]:.4f}", pair.left, pair.right)
        rows.append(SheetRow(pictures[pair.left], pictures[pair.right], lines))
    return tuple(rows)
