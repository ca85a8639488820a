"""Made distractors: whether their cosines are spread as those of the templates they are fitted to."""

from __future__ import annotations

import numpy as np

from benchmarks.distractors import drawn, upper_quantiles, widened
from benchmarks.lfw_strangers import Strangers
from evaluation.lfw.search_run import LfwPhotos


def skewed_strangers() -> tuple[np.ndarray, np.ndarray]:
    """Probes and strangers some of whom are near a common direction, so that cosines have a long upper tail."""
    rng = np.random.default_rng(3)
    strangers = rng.normal(size=(3000, 24)) + np.outer(rng.exponential(1.5, 3000), np.eye(24)[0])
    probes = rng.normal(size=(200, 24)) + 1.5 * np.eye(24)[0]
    made = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (probes, strangers))
    one, other = (rows.astype(np.float32) for rows in made)
    return one, other


def test_made_cosines_are_spread_as_real_ones_where_normal_products_alone_are_not() -> None:
    probes, real = skewed_strangers()
    model = Strangers(probes, real)
    blocks = list(model.blocks(10_000, 5))
    assert [len(block) for block in blocks] == [8192, 1808]
    assert np.allclose(blocks[0][:9], next(model.blocks(9, 5)), atol=1e-6)
    products = np.concatenate([block @ probes.T for block in blocks])
    cosines = model.as_cosine(products, np.arange(len(probes)))
    of_real, made, plain = (upper_quantiles(one)[:2] for one in (probes @ real.T, cosines, products))
    assert np.abs(np.subtract(made, of_real)).max() < 0.01
    assert np.abs(np.subtract(plain, of_real)).max() > 0.04


def test_maps_rise_and_undo_each_other_for_every_probe() -> None:
    probes, real = skewed_strangers()
    model = Strangers(probes, real)
    cosines = np.linspace(-1, 1, 81)
    for probe in range(0, len(probes), 20):
        numbers = np.full(len(cosines), probe)
        products = model.as_product(cosines, numbers)
        assert (np.diff(products) > 0).all()
        assert np.allclose(model.as_cosine(products, numbers), cosines, atol=1e-9)


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
