"""One step of every optimizer: torch's own numbers, all of it or nothing, and an average that follows."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from tests.training.problem import Problem
from training.config import RunConfig, checked
from training.head.pass_two_sgd import PassTwoSGD
from training.head.sharded import ShardedClassifier
from training.losses.baselines import Softmax
from training.schedule import rate_factor
from training.updates import Taken, Updates, momentum

PROBLEM = Problem("arcface", classes=37, rows=16)
CPU = torch.device("cpu")
Classifier = ShardedClassifier | Softmax


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """These matrices are too small to be shared out."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def config_of(head: dict[str, Any] | None = None, **optimisation: Any) -> RunConfig:
    return checked({"data": {"records": "."}, "head": head or {}, "optimisation": optimisation})


def network_of(norm: bool = True) -> nn.Sequential:
    """With a matrix, biases, a norm and slopes; in float64, so that equal means equal."""
    torch.manual_seed(3)
    middle = [nn.BatchNorm1d(24), nn.PReLU(24)] if norm else [nn.Tanh()]
    layers = [nn.Linear(PROBLEM.dimension, 24), *middle, nn.Linear(24, PROBLEM.dimension)]
    return nn.Sequential(*layers).double()


def head_of(kind: str) -> Classifier:
    if kind == "softmax":
        return Softmax(PROBLEM.classes, PROBLEM.dimension, seed=2).double()
    return PROBLEM.head()


@dataclass
class Trained:
    """A network and a head on their way, by Updates."""

    network: nn.Sequential
    head: Classifier
    updates: Updates

    def step(self, step: int, factor: float = 1.0, times: float = 1.0) -> Taken:
        x, labels = PROBLEM.batch(step)
        self.updates.backward(times * self.head(self.network(x), labels))
        return self.updates.take(factor)

    def values(self) -> list[Tensor]:
        every = [*self.network.parameters(), *self.head.parameters()]
        return [parameter.detach().clone() for parameter in every]


def trained(config: RunConfig, kind: str = "sharded", network: nn.Sequential | None = None) -> Trained:
    network, head = network or network_of(), head_of(kind)
    return Trained(network, head, Updates(network, head, config, CPU))


def assert_same(mine: list[Tensor], theirs: list[Tensor], tolerance: float = 1e-10) -> None:
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance * 1e-2)


def literally(config: RunConfig, kind: str, steps: int) -> list[Tensor]:
    """torch.optim.SGD on kept gradients, decay on what has more than one dimension, the network's norm clipped."""
    network, head, chosen = network_of(), head_of(kind), config.optimisation
    groups = [
        {
            "params": [parameter],
            "lr": chosen.lr * (config.head.lr_factor if of is head else 1.0),
            "weight_decay": chosen.weight_decay if parameter.ndim > 1 else 0.0,
        }
        for of in (network, head)
        for parameter in of.parameters()
    ]
    optimizer = torch.optim.SGD(groups, momentum=chosen.momentum)
    rates = [group["lr"] for group in optimizer.param_groups]
    for step in range(steps):
        factor = rate_factor(step, steps, warmup=0.3, kind="cosine")
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = factor * rate
        x, labels = PROBLEM.batch(step)
        optimizer.zero_grad()
        head(network(x), labels).backward()
        if chosen.clip is not None:
            clip_grad_norm_(network.parameters(), chosen.clip)
        optimizer.step()
    return [parameter.detach() for of in (network, head) for parameter in of.parameters()]


@pytest.mark.parametrize("kind", ["pass two", "kept gradient", "softmax"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"clip": 0.02, "weight_decay": 0.05},
        {"clip": None, "momentum": 0.0},
        {"clip": float("inf"), "momentum": 0.5, "weight_decay": 0.0},
        {"amp": "fp16", "clip": 0.02},
    ],
    ids=["plain", "clipped", "no momentum", "no decay", "loss scaled"],
)
def test_ten_steps_equal_torchs_sgd_done_literally(kind: str, settings: dict[str, Any]) -> None:
    config = config_of({"in_pass_two": kind == "pass two", "lr_factor": 3.0}, lr=0.02, **settings)
    mine = trained(config, kind)
    assert isinstance(mine.updates.head, PassTwoSGD) == (kind == "pass two")
    start = mine.values()
    norms = []
    for step in range(10):
        taken = mine.step(step, rate_factor(step, 10, warmup=0.3, kind="cosine"))
        assert taken.finite
        norms.append(taken.norm)
    assert_same(mine.values(), literally(config, kind, 10))
    assert max(float((now - then).abs().max()) for now, then in zip(mine.values(), start, strict=True)) > 1e-3
    if config.optimisation.clip == 0.02:
        assert min(norms) > 0.02, "the norm is told as it was before clipping"


def test_decay_pulls_at_matrices_and_at_nothing_of_one_dimension() -> None:
    one = trained(config_of(lr=0.1, momentum=0.0, weight_decay=0.0, clip=None), "softmax")
    other = trained(config_of(lr=0.1, momentum=0.0, weight_decay=0.5, clip=None), "softmax")
    start = one.values()
    one.step(0)
    other.step(0)
    for then, free, pulled in zip(start, one.values(), other.values(), strict=True):
        expected = 0.1 * 0.5 * then if then.ndim > 1 else torch.zeros_like(then)
        torch.testing.assert_close(free - pulled, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", ["pass two", "kept gradient", "softmax"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("amp", ["fp32", "fp16"])
def test_a_loss_that_is_not_finite_changes_neither_network_nor_head_and_the_next_step_works(
    kind: str, bad: float, amp: str
) -> None:
    config = config_of({"in_pass_two": kind == "pass two"}, lr=0.02, amp=amp, ema=0.9)
    mine, without = trained(config, kind), trained(config, kind)
    taken = [mine.step(0)]
    without.step(0)
    assert mine.updates.average is not None
    before, averaged = mine.values(), [value.clone() for value in mine.updates.average.parameters()]
    buffers = [momentum(mine.updates.network, parameter).clone() for parameter in mine.network.parameters()]
    taken.append(mine.step(1, times=bad))
    assert all(map(torch.equal, mine.values(), before))
    assert all(map(torch.equal, mine.updates.average.parameters(), averaged))
    assert all(
        torch.equal(momentum(mine.updates.network, parameter), buffer)
        for parameter, buffer in zip(mine.network.parameters(), buffers, strict=True)
    )
    taken.append(mine.step(2))
    without.step(2)
    assert_same(mine.values(), without.values())
    assert [one.finite for one in taken] == [True, False, True]
    assert sum(not one.finite for one in taken) == 1


def test_a_forward_pass_that_overflows_leaves_no_trace_in_running_statistics() -> None:
    mine = trained(config_of())
    mine.step(0)
    before = [buffer.clone() for buffer in mine.network.buffers()]
    x, labels = PROBLEM.batch(1)
    mine.updates.begin()
    mine.updates.backward(mine.head(mine.network(x * float("inf")), labels))
    assert any(not torch.isfinite(buffer).all() for buffer in mine.network.buffers())
    assert not mine.updates.take(1.0).finite
    floating = [at for at, buffer in enumerate(before) if buffer.is_floating_point()]
    assert floating
    after = list(mine.network.buffers())
    assert all(torch.equal(after[at], before[at]) for at in floating)


def test_statistics_of_a_step_that_was_not_begun_stay_what_the_forward_pass_made_of_them() -> None:
    mine = trained(config_of())
    mine.updates.begin()
    mine.step(0)
    x, labels = PROBLEM.batch(1)
    loss = mine.head(mine.network(x), labels)
    made = [buffer.clone() for buffer in mine.network.buffers()]
    mine.updates.backward(float("nan") * loss)
    assert not mine.updates.take(1.0).finite
    assert all(map(torch.equal, mine.network.buffers(), made))


def test_a_head_that_is_not_finite_holds_a_finite_network_back() -> None:
    mine = trained(config_of(lr=0.02))
    before = mine.values()
    x, labels = PROBLEM.batch()
    embeddings = mine.network(x)
    mine.updates.backward(embeddings.square().mean())
    mine.updates.backward(float("nan") * mine.head(embeddings.detach(), labels))
    taken = mine.updates.take(1.0)
    assert taken.norm > 0
    assert not taken.finite
    assert all(map(torch.equal, mine.values(), before))


def test_a_step_that_overflows_lowers_the_loss_scale() -> None:
    mine = trained(config_of(lr=0.02, amp="fp16"))
    mine.step(0)
    scale = mine.updates.scaler.get_scale()
    assert scale > 1
    mine.step(1, times=float("inf"))
    assert mine.updates.scaler.get_scale() == scale / 2


def test_parts_of_a_batch_add_up_to_one_step() -> None:
    config = config_of(lr=0.02)
    whole, parts = (trained(config, network=network_of(norm=False)) for _ in range(2))
    for step in range(3):
        whole.step(step)
        x, labels = PROBLEM.batch(step)
        for part in range(4):
            of = slice(4 * part, 4 * part + 4)
            parts.updates.backward(parts.head(parts.network(x[of]), labels[of]) / 4)
        parts.updates.take(1.0)
    assert_same(whole.values(), parts.values())


def test_the_average_is_the_exponential_mean_of_the_weights_and_has_the_newest_statistics() -> None:
    decay = 0.8
    mine = trained(config_of(lr=0.05, ema=decay))
    average = mine.updates.average
    assert average is not None
    assert not average.training
    literal = [parameter.detach().clone() for parameter in mine.network.parameters()]
    for step in range(6):
        mine.step(step)
        literal = [
            decay * kept + (1 - decay) * now.detach()
            for kept, now in zip(literal, mine.network.parameters(), strict=True)
        ]
    assert_same([value.detach() for value in average.parameters()], literal)
    assert not torch.equal(average[0].weight, mine.network[0].weight)
    buffers = dict(mine.network.named_buffers())
    assert int(buffers["1.num_batches_tracked"]) == 6
    for name, buffer in average.named_buffers():
        assert torch.equal(buffer, buffers[name])
    assert not any(parameter.requires_grad for parameter in average.parameters())


def test_without_a_decay_there_is_no_average() -> None:
    assert trained(config_of()).updates.average is None


def test_the_heads_rate_is_a_multiple_of_the_networks() -> None:
    settings = {"lr": 0.01, "momentum": 0.0, "weight_decay": 0.0}
    one, three = (trained(config_of({"lr_factor": factor}, **settings)) for factor in (1.0, 3.0))
    start = one.head.weight.detach().clone()
    assert one.step(0).rate == three.step(0).rate == 0.01
    torch.testing.assert_close(
        three.head.weight - start, 3 * (one.head.weight - start), rtol=1e-9, atol=1e-14
    )
    assert all(map(torch.equal, one.network.parameters(), three.network.parameters()))


def test_a_factor_of_the_schedule_is_of_the_rate_and_not_of_the_last_one() -> None:
    mine = trained(config_of(lr=0.04))
    rates = [mine.step(step, factor).rate for step, factor in enumerate([0.5, 0.5, 1.0, 0.25])]
    assert rates == pytest.approx([0.02, 0.02, 0.04, 0.01])


@pytest.mark.parametrize("frozen", [("0.weight", "0.bias"), ("0.weight", "3.weight")])
def test_frozen_parameters_are_left_alone(frozen: tuple[str, ...]) -> None:
    network = network_of()
    for name in frozen:
        network.get_parameter(name).requires_grad_(False)
    before = copy.deepcopy(network.state_dict())
    mine = trained(config_of(lr=0.05, weight_decay=0.1, ema=0.5), network=network)
    for step in range(3):
        assert mine.step(step).norm > 0
    for name, parameter in network.named_parameters():
        assert torch.equal(parameter, before[name]) == (name in frozen)
    held = [id(one) for group in mine.updates.network.param_groups for one in group["params"]]
    assert not {id(network.get_parameter(name)) for name in frozen} & set(held)


def test_every_momentum_buffer_is_there_before_the_first_step() -> None:
    mine = trained(config_of())
    for parameter in mine.network.parameters():
        assert torch.equal(momentum(mine.updates.network, parameter), torch.zeros_like(parameter))
    assert mine.updates.head is not None
    assert momentum(mine.updates.head, mine.head.weight).shape == mine.head.weight.shape


def test_without_momentum_there_are_no_buffers() -> None:
    mine = trained(config_of(momentum=0.0))
    assert mine.step(0).finite
    for optimizer in (mine.updates.network, mine.updates.head):
        assert optimizer is not None
        assert all(state.get("momentum_buffer") is None for state in optimizer.state.values())


def test_a_network_without_a_head_is_stepped_alone() -> None:
    network = network_of()
    updates = Updates(network, None, config_of(lr=0.1), CPU)
    before = network[3].weight.detach().clone()
    x, _ = PROBLEM.batch()
    updates.backward(network(x).square().mean())
    assert updates.take(1.0).finite
    assert updates.head is None
    assert not torch.equal(network[3].weight, before)
