"""Short codes and exact scanners, each beside the literal search."""

import numpy as np
import pytest

from benchmarks.facelike import FaceLike
from index.engine.codes import Coder, part_width
from index.engine.held import Tuning
from index.engine.scan import HalfScanner, WideScanner, best

ROWS = FaceLike(64, 3).photos(FaceLike(64, 3).people(0, 3000), 0)
PROBES = ROWS[:40]


@pytest.mark.parametrize("scanner", [WideScanner, HalfScanner])
@pytest.mark.parametrize("k", [1, 17, 3000])
def test_an_exact_scanner_gives_the_order_of_all_cosines(scanner, k):
    halves = ROWS.astype(np.float16)
    scores, positions = scanner(halves).search(PROBES, k)
    literal = PROBES.astype(np.float64) @ halves.astype(np.float64).T
    np.testing.assert_allclose(scores, -np.sort(-literal, axis=1)[:, :k], atol=1e-5)
    np.testing.assert_allclose(np.take_along_axis(literal, positions, 1), scores, atol=1e-5)


def test_the_best_of_all_are_all_in_order():
    scores = np.array([[0.1, 0.9, -0.5]], np.float32)
    assert best(scores, 3)[1].tolist() == [[1, 0, 2]]
    assert best(scores, 1)[1].tolist() == [[1]]


def test_a_coder_made_from_stored_centroids_makes_the_same_codes():
    coder = Coder.train(ROWS[:1000])
    again = Coder(np.array(coder.centroids))
    codes = coder.encode(ROWS)
    assert np.array_equal(codes, again.encode(ROWS))
    assert codes.shape == (3000, 64 // 2 // 2)
    assert coder.code_bytes == again.code_bytes == codes.shape[1]
    for one, other in zip(
        coder.scanner(codes).search(PROBES, 50), again.scanner(codes).search(PROBES, 50), strict=True
    ):
        assert np.array_equal(one, other)


def test_a_scan_of_codes_ranks_as_the_rows_rebuilt_from_their_codes():
    coder = Coder.train(ROWS)
    codes = coder.encode(ROWS)
    nibbles = np.stack([codes & 15, codes >> 4], axis=2).reshape(len(codes), -1)
    rebuilt = np.concatenate([coder.centroids[part][nibbles[:, part]] for part in range(32)], axis=1)
    literal = PROBES @ rebuilt.T
    scores, positions = coder.scanner(codes).search(PROBES, 10)
    # The scan rounds its tables to 8 bits a part; ranks may differ by that, not more.
    np.testing.assert_allclose(np.take_along_axis(literal, positions, 1), scores, atol=0.05)
    tenth = -np.sort(-literal, axis=1)[:, 9]
    assert (np.take_along_axis(literal, positions, 1) >= tenth[:, None] - 0.05).all()


@pytest.mark.parametrize(
    ("dimension", "width"), [(512, 4), (132, 4), (128, 2), (6, 2), (130, 2), (7, 1), (131, 1)]
)
def test_every_dimension_can_be_coded(dimension, width):
    rows = FaceLike(dimension).people(0, 200)
    coder = Coder.train(rows)
    assert part_width(dimension) == width
    _, positions = coder.scanner(coder.encode(rows)).search(rows[:20], 50)
    assert np.mean([n in found for n, found in enumerate(positions.tolist())]) > 0.9


def test_codes_are_not_learnt_from_fewer_rows_than_centroids():
    with pytest.raises(ValueError, match="16 rows or more"):
        Tuning(train_from=15)
