"""Made distractors: whether their cosines are spread as those of the templates they are fitted to."""

from __future__ import annotations

import numpy as np

from benchmarks.distractors import Drawn, Strangers, drawn, standardised, upper_quantiles, widened
from benchmarks.facelike import FaceLike
from evaluation.lfw_search_run import LfwPhotos


def test_made_cosines_are_spread_as_real_ones_and_normal_for_each_probe() -> None:
    faces = FaceLike(512)
    real, probes = faces.photos(faces.people(0, 1200), 1), faces.photos(faces.people(1, 100), 2)
    blocks = list(Strangers(real, 5).blocks(10_000))
    assert [len(block) for block in blocks] == [8192, 1808]
    assert np.allclose(blocks[0][:9], next(Strangers(real, 5).blocks(9)), atol=1e-6)
    of_real, made = upper_quantiles(probes, [real])[:2], upper_quantiles(probes, blocks)[:2]
    assert np.abs(of_real - made).max() < 0.01
    deviations = standardised(Drawn(probes, np.arange(100), real))
    assert np.abs(np.array(deviations["made"]) - deviations["normal"])[:2].max() < 0.05


def test_a_person_probes_by_at_most_so_many_photos_and_single_photos_are_strangers() -> None:
    people = np.array([3, 0, 1, 1, 1, 1, 2, 2, 3, 4])
    rows = np.eye(10, dtype=np.float32)
    names = tuple(f"{at}.jpg" for at in range(10))
    made = drawn(LfwPhotos(names, rows, people, 0, 0), 2, seed=1)
    assert np.bincount(made.people).tolist() == [0, 2, 2, 2]
    assert made.probes.argmax(axis=1).tolist() == sorted(made.probes.argmax(axis=1).tolist())
    assert people[made.probes.argmax(axis=1)].tolist() == made.people.tolist()
    assert made.strangers.argmax(axis=1).tolist() == [1, 9]


def test_padding_changes_no_product() -> None:
    rows = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
    assert widened(rows, 8).shape == (4, 8)
    assert (widened(rows, 3) == rows).all()
    assert np.allclose(widened(rows, 8) @ widened(rows, 8).T, rows @ rows.T)
