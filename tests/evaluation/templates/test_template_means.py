"""Templates against a literal, slow version of their formula, and scores of listed pairs against plain products."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from evaluation.templates.means import pair_scores, template_means

Rows = NDArray[np.float32]


def literal_means(
    rows: Rows, template: list[int], medium: list[int], weights: list[float]
) -> list[list[float]]:
    """Media are averaged one by one, then added, then brought to unit length: the formula in plain loops."""
    means = []
    for wanted in range(max(template) + 1):
        total = [0.0] * rows.shape[1]
        media = sorted({m for t, m in zip(template, medium, strict=True) if t == wanted})
        for one in media:
            members = [i for i in range(len(rows)) if template[i] == wanted and medium[i] == one]
            for d in range(rows.shape[1]):
                total[d] += sum(weights[i] * float(rows[i, d]) for i in members) / len(members)
        length = sum(value * value for value in total) ** 0.5
        means.append([value / length if length else 0.0 for value in total])
    return means


@st.composite
def images(draw: st.DrawFn) -> tuple[Rows, list[int], list[int], list[float]]:
    """Unit rows in any order, templates 0..T-1 all there, media numbers shared between templates."""
    templates = draw(st.integers(1, 5))
    count = draw(st.integers(templates, templates + 12))
    template = [*range(templates), *(draw(st.integers(0, templates - 1)) for _ in range(count - templates))]
    template = draw(st.permutations(template))
    medium = [draw(st.integers(0, 2)) for _ in range(count)]
    weights = [draw(st.sampled_from([0.1, 0.5, 0.999, 1.0])) for _ in range(count)]
    rows = np.random.default_rng(draw(st.integers(0, 2**32))).normal(size=(count, 6))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), template, medium, weights


@given(images(), st.booleans())
def test_templates_are_those_of_the_literal_formula(
    drawn: tuple[Rows, list[int], list[int], list[float]], weighted: bool
) -> None:
    rows, template, medium, weights = drawn
    expected = literal_means(rows, template, medium, weights if weighted else [1.0] * len(rows))
    assume(all(any(row) for row in expected))
    found = template_means(rows, np.array(template), np.array(medium), weights if weighted else None)
    assert found.dtype == np.float32
    assert np.allclose(found, expected, atol=1e-5)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


@given(images(), st.integers(0, 2**32))
def test_the_order_of_images_does_not_matter(
    drawn: tuple[Rows, list[int], list[int], list[float]], seed: int
) -> None:
    rows, template, medium, weights = (np.array(part) for part in drawn)
    order = np.random.default_rng(seed).permutation(len(rows))
    found = template_means(rows, template, medium, weights)
    again = template_means(rows[order], template[order], medium[order], weights[order])
    assert np.allclose(found, again, atol=1e-5)


def test_a_long_video_counts_as_much_as_one_still() -> None:
    video, still = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    rows = np.stack([*[video] * 99, still])
    medium = np.array([7] * 99 + [8])
    assert np.allclose(template_means(rows, np.zeros(100, int), medium), [[0.5**0.5, 0.5**0.5]])


def test_one_medium_number_in_two_templates_is_two_media() -> None:
    rows = np.eye(3)
    assert np.allclose(
        template_means(rows, np.array([0, 1, 1]), np.array([5, 5, 6])), [[1, 0, 0], [0, 0.5**0.5, 0.5**0.5]]
    )


def test_a_weight_of_zero_leaves_an_image_out() -> None:
    found = template_means(np.eye(2), np.array([0, 0]), np.array([0, 0]), np.array([1.0, 0.0]))
    assert np.allclose(found, [[1, 0]])


UNIT = np.eye(2)


@pytest.mark.parametrize(
    ("rows", "template", "medium", "weights", "words"),
    [
        (np.zeros((0, 2)), [], [], None, "N at least 1"),
        (np.ones(2), [0, 0], [0, 0], None, r"rows must be \(N, D\)"),
        (UNIT, [0], [0, 0], None, r"need template of shape \(2,\)"),
        (UNIT, [0, 0], [0], None, r"need medium of shape \(2,\)"),
        (UNIT, [0, 0], [0, 0], [1.0], r"need weights of shape \(2,\)"),
        (UNIT, [0.0, 0.0], [0, 0], None, "must be integers"),
        (UNIT, [-1, 0], [0, 0], None, "numbered from 0; one is -1"),
        (UNIT, [0, 2], [0, 0], None, "template 1 has no image"),
        (UNIT, [0, 0], [0, 0], [1.0, -0.5], "weight 1 is -0.5"),
        (UNIT, [0, 0], [0, 0], [np.nan, 1.0], "weight 0 is nan"),
        (np.array([[1.0, 0.0], [np.nan, 0.0]]), [0, 0], [0, 0], None, "row 1 is not finite"),
        (np.array([[1.0, 0.0], [np.inf, -np.inf]]), [0, 0], [0, 0], None, "row 1 is not finite"),
        (np.array([[1.0, 0.0], [-1.0, 0.0]]), [0, 0], [0, 0], None, "template 0 has no direction"),
        (UNIT, [0, 1], [0, 0], [1.0, 0.0], "template 1 has no direction"),
    ],
)
def test_nonsense_is_refused(
    rows: NDArray[np.float64],
    template: list[float],
    medium: list[int],
    weights: list[float] | None,
    words: str,
) -> None:
    with pytest.raises(ValueError, match=words):
        template_means(rows, np.array(template), np.array(medium), weights)


@settings(max_examples=30)
@given(st.integers(1, 40), st.integers(1, 60), st.integers(1, 7), st.integers(0, 2**32))
def test_pair_scores_are_plain_products_in_any_blocks(
    templates: int, pairs: int, block: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    rows = random.normal(size=(templates, 5)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    left, right = random.integers(0, templates, (2, pairs))
    expected = [
        float(np.dot(rows[i].astype(float), rows[j].astype(float))) for i, j in zip(left, right, strict=True)
    ]
    found = pair_scores(rows, left, right, block=block)
    assert np.allclose(found, expected, atol=1e-6)
    assert np.array_equal(found, pair_scores(rows, right, left, block=13))
    assert np.abs(found).max() <= 1


def test_lists_of_two_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="of one length"):
        pair_scores(np.eye(2, dtype=np.float32), [0, 1], [0])
