"""Batch normalisation over ranks is that of the whole batch in one process."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.training.gloo import Gloo
from training.backbones.synchronised import Synchronised, synchronise
from training.ranks import Ranks

ROWS = (5, 2, 9)


def layers(dtype: torch.dtype = torch.float64) -> nn.Sequential:
    torch.manual_seed(3)
    made = nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.Flatten(), nn.BatchNorm1d(6 * 36)).to(
        dtype
    )
    nn.init.uniform_(made[1].weight)
    nn.init.uniform_(made[1].bias)
    return made


def whole() -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(4)
    x = torch.randn(sum(ROWS), 3, 8, 8, generator=draw, dtype=torch.float64) * 3 + 5
    return x, torch.randn(sum(ROWS), 6 * 36, generator=draw, dtype=torch.float64)


def one_rank(group: Any) -> list[Tensor]:
    ranks = Ranks(group)
    network = layers()
    synchronise(network, ranks)
    x, pull = whole()
    mine = x.split(ROWS)[ranks.rank].requires_grad_()
    y = network(mine)
    (y * pull.split(ROWS)[ranks.rank]).sum().backward()
    gradients = [
        ranks.sum(parameter.grad) for parameter in network.parameters() if parameter.grad is not None
    ]
    assert mine.grad is not None
    return [y.detach(), mine.grad, *gradients, *(buffer.clone() for buffer in network.buffers())]


def test_three_uneven_ranks_give_values_gradients_and_running_statistics_of_the_whole_batch(
    gloo: Gloo,
) -> None:
    answers = gloo.ask(one_rank, ranks=3)
    network = layers()
    x, pull = whole()
    x.requires_grad_()
    y = network(x)
    (y * pull).sum().backward()
    assert x.grad is not None
    for at, expected in ((0, y.detach()), (1, x.grad)):
        torch.testing.assert_close(torch.cat([answer[at] for answer in answers]), expected)
    rest = [p.grad for p in network.parameters()] + list(network.buffers())
    for answer in answers:
        for got, wanted in zip(answer[2:], rest, strict=True):
            torch.testing.assert_close(got, wanted)


def test_names_and_parameters_stay_so_that_checkpoints_fit_either_way() -> None:
    network = layers()
    before = copy.deepcopy(network.state_dict())
    network[1] = Synchronised(network[1], Ranks(alone=True))
    assert network.state_dict().keys() == before.keys()
    assert all(torch.equal(network.state_dict()[name], value) for name, value in before.items())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_half_types_are_summed_in_full(dtype: torch.dtype) -> None:
    x = (torch.randn(64, 6, 4, 4) * 0.01 + 100).to(dtype)
    norm = Synchronised(nn.BatchNorm2d(6), Ranks(alone=True))
    got = norm(x)
    assert got.dtype == dtype
    wanted = nn.functional.batch_norm(x.double(), None, None, training=True)
    assert (got.double() - wanted).abs().max() < 0.05
    assert norm.running_mean is not None
    torch.testing.assert_close(norm.running_mean, 0.1 * x.double().mean((0, 2, 3)).float())


def test_in_evaluation_nothing_is_exchanged() -> None:
    norm = Synchronised(nn.BatchNorm2d(6), Ranks(alone=True)).eval()
    x = torch.randn(2, 6, 3, 3)
    torch.testing.assert_close(norm(x), nn.BatchNorm2d(6).eval()(x))


def test_a_tensor_without_channels_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(B, C, ...\).*\(4,\)"):
        Synchronised(nn.BatchNorm1d(4), Ranks(alone=True))(torch.zeros(4))
