"""Records that are one photo twice: the same bytes, or the same picture after another compression or size.

Two photos of one person taken a moment apart have a cosine as high as two copies; what tells them apart is that a
copy, laid exactly over the other, is the same in its finest detail. Measured on LFW: 98 % of copies (quality 30, half
size, seven tenths of the size at quality 50, cropped borders) keep a cosine above .88, differ in at most 80 of 256
bits, and correlate at .999 in brightness and .98 in detail once they are registered; of the copies made brighter until
whites are lost, 9 in 10 pass. No two different photos of a person in LFW pass. Frames of a head that does not move
do: 12 pairs of AT&T's 1,800.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from faces.face import Crop
from training.curation.features import Chosen, Features
from training.curation.grouping import Groups
from training.curation.marks import differing_bits
from training.curation.search import pairs_above
from training.data.records import BadRecord, FaceRecords

COSINE = 0.85
DIFFERING_BITS = 80
CORRELATION = 0.99
DETAIL = 0.975

_FACE = np.zeros((112, 112), np.uint8)
_FACE[12:100, 12:100] = 255


def exact_copies(features: Features) -> list[tuple[int, int]]:
    """(first, other) of records whose image files have the same bytes, the first being the same for all of them."""
    digests = np.empty((len(features), 2), np.uint64)
    for start, _, marks in features.parts():
        digests[start : start + len(marks)] = marks["digest"]
    order = np.lexsort((digests[:, 1], digests[:, 0]))  # stable: the least record of a digest comes first
    same = (digests[order][1:] == digests[order][:-1]).all(axis=1)
    found = []
    first = 0
    for at in range(1, len(order)):
        if not same[at - 1]:
            first = at
        else:
            found.append((int(order[first]), int(order[at])))
    return found


def near_copies(
    records: FaceRecords, features: Features, candidates: NDArray[np.int64], workers: int
) -> Iterator[tuple[int, int, float]]:
    """(record, record, cosine) of candidates that show one picture; see the head of this file.

    candidates: (n,) ascending record numbers, decodable and without exact copies of one another.
    """
    looks = features.marks(candidates)["looks"]

    def agree(pair: tuple[int, int, float]) -> bool:
        return same_picture(records, pair[0], pair[1])

    with ThreadPoolExecutor(workers) as pool:
        for left, right, cosines in pairs_above(Chosen(features, candidates), COSINE):
            alike = differing_bits(looks[left], looks[right]) <= DIFFERING_BITS
            pairs = list(
                zip(
                    candidates[left[alike]].tolist(),
                    candidates[right[alike]].tolist(),
                    cosines[alike].tolist(),
                    strict=True,
                )
            )
            yield from (pair for pair, same in zip(pairs, pool.map(agree, pairs), strict=True) if same)


def same_picture(records: FaceRecords, one: int, other: int) -> bool:
    """Whether two records are one picture, however it was stored."""
    try:
        brightness, detail = correlations(records.image(one), records.image(other))
    except BadRecord:
        return False
    return brightness >= CORRELATION and detail >= DETAIL


def correlations(one: Crop, other: Crop) -> tuple[float, float]:
    """Of the brightness, and of the fine detail, of two (112, 112, 3) crops, once one is laid over the other as well
    as it can be; -1..1.

    Landmarks are found a little elsewhere in a smaller copy, so the crops of copies are shifted by pixels;
    Evangelidis and Psarakis, "Parametric image alignment using enhanced correlation coefficient", 2008.
    """
    greys = [cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY) for crop in (one, other)]
    warp = np.eye(2, 3, dtype=np.float32)
    until = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 50, 1e-4)
    first, second = (cv2.GaussianBlur(grey, (0, 0), 2) for grey in greys)
    try:
        found, laid = cv2.findTransformECC(first, second, warp, cv2.MOTION_AFFINE, until, _FACE, 1)
    except cv2.error:
        # It says so where the pictures have nothing in common.
        return -1.0, -1.0
    over = cv2.warpAffine(greys[1], laid, (112, 112), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return float(found), _correlation(_detail(greys[0]), _detail(over))


def _detail(grey: NDArray[Any]) -> NDArray[np.float64]:
    """What is finer than 4 pixels and coarser than the noise of compression, in the middle of the face."""
    exact = grey.astype(np.float64)
    band = cv2.GaussianBlur(exact, (0, 0), 1) - cv2.GaussianBlur(exact, (0, 0), 4)
    return np.asarray(band[16:96, 16:96], np.float64)


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    one, other = one - one.mean(), other - other.mean()
    return float((one * other).sum() / max(float(np.linalg.norm(one) * np.linalg.norm(other)), 1e-9))


def grouped(pairs: list[tuple[int, int]]) -> list[list[int]]:
    """Pairs of copies -> groups of records, ascending."""
    return Groups(pairs).all()
