"""Templates: each formula beside its literal version, and what is refused."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from index.errors import InvalidTemplate
from index.records import Precision
from index.template import cosines, mean_template, stored, unit_rows, widened

VECTORS = arrays(np.float64, (5, 7), elements=st.floats(-1e30, 1e30, allow_nan=False)).filter(
    lambda rows: (np.abs(rows).max(axis=1) > 1e-6).all()
)


@given(VECTORS)
def test_unit_rows_have_length_one_and_keep_their_direction(vectors):
    units = unit_rows(vectors, 7)
    literal = np.array(
        [v / np.sqrt(sum((x / np.abs(v).max()) ** 2 for x in v)) / np.abs(v).max() for v in vectors]
    )
    assert units.dtype == np.float32
    np.testing.assert_allclose(units, literal, atol=1e-6)


def test_every_half_precision_number_widens_exactly():
    halves = np.arange(65536, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)].reshape(1, -1)
    assert np.array_equal(widened(halves), halves.astype(np.float32))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_template_that_is_not_finite_is_refused_by_its_position(bad):
    rows = np.ones((3, 4))
    rows[1, 2] = bad
    with pytest.raises(InvalidTemplate, match="template 1 holds NaN or infinity"):
        unit_rows(rows, 4)


def test_a_template_without_direction_or_of_another_size_is_refused():
    with pytest.raises(InvalidTemplate, match="template 1 has length zero"):
        unit_rows(np.array([[1.0, 0.0], [0.0, 0.0]]), 2)
    with pytest.raises(InvalidTemplate, match=r"shape \(3,\), the collection wants \(4,\)"):
        unit_rows([np.ones(3)], 4)
    with pytest.raises(InvalidTemplate, match="real numbers"):
        unit_rows(np.array([["a", "b"]]), 2)


@given(VECTORS, arrays(np.float64, 5, elements=st.floats(0, 1)))
@example(np.ones((5, 7)), np.full(5, 5e-324))
def test_the_mean_is_the_weighted_sum_made_unit(vectors, weights):
    rows = unit_rows(vectors, 7)
    used = weights if weights.max() > 0 else np.ones(5)
    literal = sum(w * row.astype(np.float64) for w, row in zip(used, rows, strict=True))
    length = np.linalg.norm(literal)
    mean = mean_template(rows, weights)
    assert abs(np.linalg.norm(mean) - 1) < 1e-5
    if length > 1e-3 * used.sum():
        np.testing.assert_allclose(mean, literal / length, atol=1e-5)


def test_samples_that_cancel_out_leave_the_best_one_as_template():
    rows = np.array([[1, 0], [-1, 0]], np.float32)
    assert mean_template(rows, np.array([0.5, 0.5])).tolist() == [1, 0]


@pytest.mark.parametrize("precision", list(Precision))
def test_stored_cosines_are_within_a_thousandth_of_the_original_templates(precision):
    rng = np.random.default_rng(3)
    for dimension in (8, 128, 512):
        original = rng.standard_normal((200, dimension))
        probe = original[0] + rng.standard_normal(dimension)
        truth = original @ probe / np.linalg.norm(original, axis=1) / np.linalg.norm(probe)
        rows = stored(unit_rows(original, dimension), precision)
        assert np.abs(cosines(widened(rows), unit_rows(probe[None], dimension)[0]) - truth).max() < 1e-3


@given(st.lists(st.integers(0, 63), min_size=1, max_size=40), st.sampled_from([3, 32, 128, 255]))
def test_a_rows_cosine_has_the_same_bits_in_whatever_company_it_is_computed(chosen, dimension):
    rng = np.random.default_rng(dimension)
    rows = widened(stored(unit_rows(rng.standard_normal((64, dimension)), dimension), Precision.FLOAT16))
    probe = unit_rows(rng.standard_normal((1, dimension)), dimension)[0]
    assert np.array_equal(cosines(rows[chosen], probe), cosines(rows, probe)[chosen])
