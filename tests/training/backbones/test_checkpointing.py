"""A network that computes its blocks twice must not be told from one that keeps them, but by its memory."""

from __future__ import annotations

import copy

import pytest
import torch

from tests.training.backbones.small import SMALL, gradients, images, small
from training.backbones.cost import cost

families = pytest.mark.parametrize("name", SMALL)


@families
def test_gradients_are_equal_bit_for_bit(name) -> None:
    plain, again = small(name), small(name, gradient_checkpointing=True)
    assert torch.equal(gradients(plain), gradients(again))


@families
def test_running_statistics_count_each_batch_once(name) -> None:
    plain, again = small(name), small(name, gradient_checkpointing=True)
    for _ in range(2):
        gradients(plain)
        gradients(again)
    for (key, expected), found in zip(plain.named_buffers(), again.buffers(), strict=True):
        assert torch.equal(expected, found), key
        if key.endswith("num_batches_tracked"):
            assert found == 2


@families
def test_two_batches_may_wait_for_their_backward(name) -> None:
    plain, again = small(name), small(name, gradient_checkpointing=True)
    for network in (plain, again):
        torch.manual_seed(5)
        (network(images(seed=1)).square() + network(images(seed=2)).abs()).sum().backward()
    for expected, found in zip(plain.parameters(), again.parameters(), strict=True):
        assert expected.grad is None or torch.equal(expected.grad, found.grad)


@families
def test_buffers_stay_the_same_objects_even_after_a_failed_backward(name) -> None:
    network = small(name, gradient_checkpointing=True)
    before = [id(buffer) for buffer in network.buffers()]
    embeddings = network(images())
    handle = network.blocks[0].register_forward_pre_hook(lambda *_: pytest.fail("stopped"))
    with pytest.raises(pytest.fail.Exception):
        embeddings.sum().backward()
    handle.remove()
    assert [id(buffer) for buffer in network.buffers()] == before


@families
def test_it_may_be_switched_on_later_and_keeps_less(name) -> None:
    network = small(name)
    plain = cost(network)
    network.gradient_checkpointing = True
    again = cost(network)
    assert again.activation_bytes < 0.75 * plain.activation_bytes
    assert (again.parameters, again.multiply_adds) == (plain.parameters, plain.multiply_adds)


@families
def test_evaluation_is_not_touched(name) -> None:
    network = small(name, gradient_checkpointing=True).eval()
    state = copy.deepcopy(network.state_dict())
    network(images()).sum().backward()
    assert all(torch.equal(value, network.state_dict()[key]) for key, value in state.items())
