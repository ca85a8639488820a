"""Counts against the papers', against a literal count of a table, and against what autograd really keeps."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import torch

from tests.training.backbones.small import SMALL, images, small
from training.backbones import backbone, names
from training.backbones.cost import cost
from training.backbones.mobilefacenet import STAGES

M = 1e6


def test_mobilefacenet_has_the_papers_multiply_adds_and_parameters() -> None:
    network = backbone("mobilefacenet", 128)
    found = cost(network)
    assert found.multiply_adds == pytest.approx(221 * M, rel=0.002)
    # The paper's 0.99 million counts a normalisation as the one bias a channel that is left when it is folded.
    factors = sum(p.numel() for key, p in network.named_parameters() if re.search(r"norm\.weight$", key))
    factors += sum(m.weight.numel() for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d))
    assert found.parameters - factors == pytest.approx(0.99 * M, rel=0.005)
    assert found.parameters == 1_003_136


def test_mobilefacenets_multiply_adds_are_those_of_table_1_by_hand() -> None:
    total = 56**2 * (3 * 9 * 64 + 9 * 64)
    side, channels = 56, 64
    for expansion, out, repetitions, stride in STAGES:
        for at in range(repetitions):
            inside = channels * expansion
            total += side**2 * channels * inside
            side //= stride if at == 0 else 1
            total += side**2 * (9 * inside + inside * out)
            channels = out
    total += 7**2 * 128 * 512 + 7**2 * 512 + 512 * 128
    assert cost(backbone("mobilefacenet", 128)).multiply_adds == total


@pytest.mark.parametrize(
    ("name", "parameters", "multiply_adds"),
    [("iresnet-50", 43.59, 6330), ("iresnet-100", 65.15, 12120)],
)
def test_iresnets_have_the_published_figures(name, parameters, multiply_adds) -> None:
    found = cost(backbone(name))
    assert found.parameters == pytest.approx(parameters * M, rel=0.001)
    assert found.multiply_adds == pytest.approx(multiply_adds * M, rel=0.005)


@pytest.mark.parametrize(("name", "multiply_adds"), [("vit-t", 1.5), ("vit-s", 5.7), ("vit-b", 11.4)])
def test_vits_have_the_published_multiply_adds_at_the_published_patch(name, multiply_adds) -> None:
    assert cost(backbone(name, patch=9)).multiply_adds == pytest.approx(multiply_adds * 1e9, rel=0.01)


@pytest.mark.parametrize(
    ("width", "heads", "published"), [(192, 3, 5.717), (384, 6, 22.05), (768, 12, 86.57)]
)
def test_vits_settings_make_those_of_dosovitskiy_and_touvron(width, heads, published) -> None:
    network = backbone("vit-b", width=width, depth=12, heads=heads, pooling="mean", dimension=1)
    # Theirs have a layer for 1000 classes, and 256 pixels a patch where ours have 64, of a side half as long.
    expected = published * M - 1000 * (width + 1) - (256 - 64) * 3 * width
    assert cost(network).parameters == pytest.approx(expected, rel=0.001)


@pytest.mark.parametrize("name", SMALL)
def test_activations_are_what_autograd_keeps(name) -> None:
    network, kept = small(name), {}

    def note(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    state = {tensor.untyped_storage().data_ptr() for tensor in network.state_dict().values()}
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        embeddings = network(images(2))
    total = sum(t.untyped_storage().nbytes() for pointer, t in kept.items() if pointer not in state)
    assert embeddings.requires_grad
    assert cost(network).activation_bytes == pytest.approx(total / 2, rel=0.02)


@pytest.mark.parametrize("name", SMALL)
def test_counting_leaves_the_network_and_the_generator_as_they_were(name) -> None:
    network = small(name)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    torch.manual_seed(11)
    state = torch.get_rng_state()
    cost(network)
    assert torch.equal(state, torch.get_rng_state())
    assert network.training
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


def test_any_module_on_square_images_may_be_counted() -> None:
    found = cost(torch.nn.Conv2d(3, 5, 3, padding=1, bias=False), side=20)
    assert (found.parameters, found.multiply_adds) == (135, 135 * 400)


def test_a_cost_reads_as_one_line_of_figures() -> None:
    assert str(cost(backbone("mobilefacenet", 128))) == (
        "1.00 M parameters, 221 M multiply-adds, 35 MiB of activations an image"
    )


@pytest.mark.slow
def test_the_command_prints_every_network() -> None:
    command = [sys.executable, "-m", "training.backbones", "--dimension", "256"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "256 dimensions" in printed
    assert all(name in printed for name in names())
