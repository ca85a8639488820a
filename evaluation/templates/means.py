"""Rows of many images to one row a template, and the cosines of listed pairs of templates; embeds nothing and judges
nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def template_means(
    rows: NDArray[Any],
    template: ArrayLike,
    medium: ArrayLike,
    weights: ArrayLike | None = None,
) -> NDArray[np.float32]:
    """One unit row a template: the images of a medium are averaged first, then the media are added up.

    rows: (N, D), of the images. template: (N,) int, 0..T-1, each of them with at least one image. medium: (N,) int,
    the still or the video that an image is from; one number in two templates is two media. weights: (N,) >= 0, of the
    images, None for 1 each. Result (T, D) float32. With w the weights and x the rows, the direction of template t is

        sum over its media m of  (sum over i in t, m of w_i x_i) / |{i in t, m}|

    so a video counts as one still does, and a medium whose images have little weight counts little: what figures on
    IJB-B and IJB-C are usually made with. Sums in float64. ValueError where shapes do not fit, a value is not finite, a
    weight is negative, a template number has no image, or a template's sum is zero.
    """
    values = np.asarray(rows)
    of_template, of_medium = np.asarray(template), np.asarray(medium)
    weight = np.ones(len(of_template)) if weights is None else np.asarray(weights, np.float64)
    _check(values, of_template, of_medium, weight)
    order = np.lexsort((of_medium, of_template))
    first = _firsts(of_template[order])
    ends = [*first[1:].tolist(), len(order)]
    means = np.empty((len(first), values.shape[1]), np.float32)
    for at, (start, stop) in enumerate(zip(first.tolist(), ends, strict=True)):
        members = order[start:stop]
        weighted = values[members].astype(np.float64) * weight[members, None]  # (images of the template, D)
        begins = _firsts(of_medium[members])
        sizes = np.diff([*begins.tolist(), len(members)])
        total = (np.add.reduceat(weighted, begins, axis=0) / sizes[:, None]).sum(axis=0)
        length = float(np.linalg.norm(total))
        if not length > 0:
            raise ValueError(f"template {at} has no direction: its images cancel out or weigh nothing")
        means[at] = total / length
    return means


def pair_scores(
    templates: NDArray[np.float32], left: ArrayLike, right: ArrayLike, *, block: int = 4096
) -> NDArray[np.float32]:
    """Cosines of listed pairs: templates (T, D) unit rows, left and right (P,) row numbers -> (P,) float32, -1..1.

    A pair has one score whatever its place in the list. `block` pairs at a time: memory is 8 * block * D bytes beside
    the result.
    """
    rows = np.ascontiguousarray(templates, np.float32)
    one, other = np.asarray(left), np.asarray(right)
    if one.shape != other.shape or one.ndim != 1:
        raise ValueError(
            f"left and right must be of one length; their shapes are {one.shape} and {other.shape}"
        )
    scores = np.empty(len(one), np.float32)
    for start in range(0, len(one), block):
        chosen = slice(start, start + block)
        np.einsum("pd,pd->p", rows[one[chosen]], rows[other[chosen]], out=scores[chosen])
    np.clip(scores, -1.0, 1.0, out=scores)
    return scores


def _firsts(groups: NDArray[Any]) -> NDArray[np.intp]:
    """Where each run of equal values begins."""
    return np.flatnonzero(np.append(True, groups[1:] != groups[:-1]))


def _check(
    rows: NDArray[Any], template: NDArray[Any], medium: NDArray[Any], weight: NDArray[np.float64]
) -> None:
    if rows.ndim != 2 or len(rows) == 0:
        raise ValueError(f"rows must be (N, D) with N at least 1; their shape is {rows.shape}")
    for name, values in (("template", template), ("medium", medium), ("weights", weight)):
        if values.shape != (len(rows),):
            raise ValueError(f"{len(rows)} rows need {name} of shape ({len(rows)},), not {values.shape}")
    if template.dtype.kind not in "iu" or medium.dtype.kind not in "iu":
        raise ValueError(f"template and medium must be integers, not {template.dtype} and {medium.dtype}")
    if template.min() < 0:
        raise ValueError(f"templates are numbered from 0; one is {template.min()}")
    missing = np.flatnonzero(np.bincount(template) == 0)
    if missing.size:
        raise ValueError(f"template {missing[0]} has no image")
    wrong = np.flatnonzero(~np.isfinite(weight) | (weight < 0))
    if wrong.size:
        raise ValueError(f"weight {wrong[0]} is {weight[wrong[0]]}; a weight is finite and not negative")
    # A sum per row in place of a mask of the whole: rows may take a gigabyte.
    broken = np.flatnonzero(~np.isfinite(np.einsum("nd->n", rows)))
    if broken.size:
        raise ValueError(f"row {broken[0]} is not finite")
