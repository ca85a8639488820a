"""One pair of loss and seed: every row learns, repeats itself bit by bit, and is tested as it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.training.reproduce.small import RECIPE, TEST, small_images
from training.losses.baselines import CenterSoftmax
from training.reproduce.contestants import (
    CENTER_RATE,
    CENTER_WEIGHT,
    CONTESTANTS,
    class_means,
    contestant,
)
from training.reproduce.errors import ReproductionError
from training.reproduce.fit import Fitted, fit
from training.reproduce.images import Images, Part
from training.reproduce.network import Stages
from training.scale import cosine_scale

CPU = torch.device("cpu")
NAMES = [one.name for one in CONTESTANTS]


def fitted(name: str, seed: int = 0, images: Images | None = None) -> Fitted:
    return fit(images or small_images(), RECIPE, contestant(name), seed, CPU)


def test_the_rows_are_those_of_the_paper_with_its_errors() -> None:
    assert NAMES == ["softmax", "center+softmax", "triplet", "triplet+softmax", "coco"]
    assert [one.paper["mnist"] for one in CONTESTANTS] == [0.36, 0.32, 1.45, 0.38, 0.30]
    assert [one.paper["cifar10"] for one in CONTESTANTS] == [6.70, 6.66, 12.69, 6.73, 6.25]


@pytest.mark.parametrize("name", NAMES)
def test_every_row_learns_to_tell_squares_by_their_place(name: str) -> None:
    found = fitted(name)
    assert found.tested == TEST
    assert len(found.losses) == RECIPE.epochs
    assert found.losses[-1] < 0.5 * found.losses[0]
    assert found.skipped == 0
    assert found.wrong_by_means <= 2
    if name == "triplet":
        assert found.wrong is None
    else:
        assert found.wrong is not None
        assert found.wrong <= 2


@pytest.mark.parametrize("name", ["coco", "center+softmax", "triplet"])
def test_a_seed_gives_the_same_bits_again_and_another_seed_others(name: str) -> None:
    one, again, other = fitted(name), fitted(name), fitted(name, seed=1)
    assert one.embeddings.tobytes() == again.embeddings.tobytes()
    assert one.losses == again.losses
    assert one.losses != other.losses


def test_a_network_that_learned_wrong_names_is_wrong_about_the_test() -> None:
    images = small_images()
    turned = Images("mnist", images.train, Part(images.test.images, (images.test.labels + 1) % 10))
    found = fitted("coco", images=turned)
    assert found.wrong == found.tested
    assert found.wrong_by_means == found.tested


def test_the_test_images_have_no_part_in_training() -> None:
    images = small_images()
    other = Images("mnist", images.train, Part(images.test.images[:7], images.test.labels[:7]))
    assert fitted("softmax").losses == fitted("softmax", images=other).losses


def test_fewer_images_than_a_batch_are_told() -> None:
    images = small_images()
    few = Images("mnist", Part(images.train.images[:63], images.train.labels[:63]), images.test)
    with pytest.raises(ReproductionError, match="mnist has 63 images to train on, fewer than a batch of 64"):
        fitted("softmax", images=few)


def test_a_loss_that_is_no_number_any_more_is_told() -> None:
    row = contestant("softmax")

    def broken(classes: int, dimension: int, seed: int) -> object:
        made = row.of(classes, dimension, seed)
        return replace(made, cost=lambda embeddings, labels: made.cost(embeddings, labels) * torch.nan)

    with pytest.raises(ReproductionError, match="softmax, seed 3: the loss of the last epoch is nan"):
        fit(small_images(), RECIPE, replace(row, of=broken), 3, CPU)  # type: ignore[arg-type]


def test_the_row_of_center_loss_moves_its_centers_by_the_rule_of_its_paper() -> None:
    criterion = contestant("center+softmax").of(10, 4, 0)
    assert isinstance(criterion.head, CenterSoftmax)
    x = torch.randn(9, 4, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([0, 1, 1, 5, 5, 5, 9, 9, 0])
    start = criterion.head.centers.clone()
    cost = criterion.cost(x, labels)
    pull = sum((x[i] - start[labels[i]]).square().sum() for i in range(9)) / 18
    plain = functional.cross_entropy(criterion.head.linear(x), labels)
    torch.testing.assert_close(cost, plain + CENTER_WEIGHT * pull)
    for label in range(10):
        rows = [x[i] for i in range(9) if labels[i] == label]
        away = sum((start[label] - row for row in rows), torch.zeros(4)) / (1 + len(rows))
        torch.testing.assert_close(criterion.head.centers[label], start[label] - CENTER_RATE * away)


@pytest.mark.parametrize("dimension", [2, 64, 128])
def test_coco_has_the_scale_of_the_projects_rule(dimension: int) -> None:
    row = contestant("coco")
    criterion = row.of(10, dimension, 0)
    assert criterion.head.of.scale == cosine_scale(10, dimension)  # type: ignore[union-attr]
    assert row.own(10, dimension) == {"scale": cosine_scale(10, dimension)}


def test_cocos_answer_is_the_nearest_centroid_in_angle() -> None:
    criterion = contestant("coco").of(10, 6, 0)
    assert criterion.head is not None
    assert criterion.scores is not None
    weight = next(criterion.head.parameters())
    with torch.no_grad():
        weight.mul_(torch.linspace(0.1, 9.0, 10)[:, None])
        x = 7.0 * weight[[3, 8, 0]] + 1e-4
        assert criterion.scores(x).argmax(1).tolist() == [3, 8, 0]
        assert criterion.scores(x).abs().max() <= 1.0 + 1e-6


def test_class_means_are_those_of_unit_rows() -> None:
    draw = np.random.default_rng(0)
    x, labels = draw.normal(size=(40, 5)), draw.integers(0, 4, 40)
    found = class_means(torch.tensor(x), torch.tensor(labels), 4).numpy()
    for label in range(4):
        unit = [row / np.linalg.norm(row) for row in x[labels == label]]
        mean = np.mean(unit, 0)
        np.testing.assert_allclose(found[label], mean / np.linalg.norm(mean), rtol=1e-12)


def test_an_unknown_row_is_named_beside_those_there_are() -> None:
    with pytest.raises(ReproductionError, match=r"no loss 'arcface' in the table; there are softmax, center"):
        contestant("arcface")


@pytest.mark.parametrize(("planes", "side"), [(1, 28), (3, 32)])
def test_the_network_gives_float32_embeddings_under_autocast_and_keeps_their_lengths(
    planes: int, side: int
) -> None:
    network = Stages(planes, side, (16, 24, 32), 2, 5)
    images = torch.randn(4, planes, side, side)
    with torch.autocast("cpu", torch.bfloat16):
        embeddings = network(images)
    assert embeddings.shape == (4, 5)
    assert embeddings.dtype == torch.float32
    assert network.linear.in_features == 32 * (side // 8) ** 2
    assert len({round(length, 3) for length in embeddings.norm(dim=1).tolist()}) == 4
