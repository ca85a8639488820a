"""torch.compile on a small network, with and without checkpointing: the same numbers."""

from __future__ import annotations

import copy
import shutil

import pytest
import torch

from tests.training.backbones.small import apart, gradients, small

needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs g++ on a CPU")


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "settings", "checkpointing"),
    [
        ("iresnet-18", {"depths": (1, 1, 1, 1), "dropout": 0.0}, False),
        ("iresnet-18", {"depths": (1, 1, 1, 1), "dropout": 0.0}, True),
        ("vit-t", {"depth": 1, "stochastic_depth": 0.0}, True),
        ("mobilefacenet", {}, False),
    ],
)
def test_a_compiled_network_has_the_same_gradients_and_statistics(name, settings, checkpointing) -> None:
    torch.compiler.reset()
    plain = small(name, gradient_checkpointing=checkpointing, **settings)
    copied = copy.deepcopy(plain)
    compiled = torch.compile(copied, dynamic=False)
    assert apart(gradients(plain), gradients(compiled)) < 1e-3
    for (key, expected), found in zip(plain.named_buffers(), copied.buffers(), strict=True):
        assert torch.allclose(expected.double(), found.double(), rtol=1e-4, atol=1e-5), key
