"""What every network promises, on small ones of each family."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from tests.training.backbones.small import SMALL, apart, gradients, images, settled, small
from training.backbones import backbone, names

families = pytest.mark.parametrize("name", SMALL)


@families
def test_images_become_one_float32_row_each_that_is_not_normalised(name) -> None:
    network = small(name, dimension=24)
    embeddings = network(images(5))
    assert embeddings.shape == (5, 24)
    assert embeddings.dtype == torch.float32
    assert network.dimension == 24
    assert not torch.allclose(embeddings.norm(dim=1), torch.ones(5), atol=0.1)
    assert settled(network)(images(1)).shape == (1, 24)


@pytest.mark.parametrize("name", names())
def test_the_dimension_is_512_unless_another_is_asked_for(name) -> None:
    with torch.device("meta"):
        assert backbone(name).dimension == 512
        assert backbone(name, 128).embedding.linear.weight.shape[0] == 128


@families
@pytest.mark.parametrize("shape", [(2, 112, 112, 3), (2, 3, 112, 96), (3, 112, 112), (2, 1, 112, 112)])
def test_a_wrong_shape_is_named(name, shape) -> None:
    with pytest.raises(ValueError, match=r"must be \(B, 3, 112, 112\); these are \("):
        small(name)(torch.zeros(shape))


@families
def test_a_seed_repeats_the_first_values_and_another_does_not(name) -> None:
    one, again, other = small(name), small(name), small(name, seed=1)
    for key, value in one.state_dict().items():
        assert torch.equal(value, again.state_dict()[key])
    assert not torch.equal(one.embedding.linear.weight, other.embedding.linear.weight)


@families
def test_a_step_repeats_bit_for_bit(name) -> None:
    assert torch.equal(gradients(small(name)), gradients(small(name)))


@families
def test_first_embeddings_and_gradients_are_of_ordinary_size(name) -> None:
    network = small(name)
    assert torch.isfinite(gradients(network)).all()
    assert 0.5 < network(images(32)).std() < 2.0


@families
def test_channels_last_gives_the_same_embeddings_and_gradients(name) -> None:
    plain, last = small(name), small(name).to(memory_format=torch.channels_last)
    x = images()
    torch.manual_seed(3)
    expected = plain(x)
    torch.manual_seed(3)
    found = last(x.contiguous(memory_format=torch.channels_last))
    assert apart(expected, found) < 1e-4
    assert apart(gradients(plain), gradients(last)) < 1e-3


@families
def test_under_autocast_embeddings_stay_float32_and_close(name) -> None:
    network = settled(small(name))
    expected = network(images())
    with torch.autocast("cpu", torch.bfloat16):
        found = network(images())
    assert found.dtype == torch.float32
    assert not torch.equal(found, found.bfloat16().float())
    assert functional.cosine_similarity(expected, found).min() > 0.99


@families
def test_gradients_under_autocast_point_the_same_way(name) -> None:
    exact = gradients(small(name))
    with torch.autocast("cpu", torch.bfloat16):
        rough = gradients(small(name))
    assert functional.cosine_similarity(exact, rough, dim=0) > 0.9


@families
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_images_are_taken_and_a_half_network_still_answers_in_float32(name, dtype) -> None:
    network = settled(small(name))
    expected = network(images())
    assert functional.cosine_similarity(expected, network(images().to(dtype))).min() > 0.999
    found = network.to(dtype)(images())
    assert found.dtype == torch.float32
    assert functional.cosine_similarity(expected, found).min() > 0.99


@families
def test_a_few_steps_of_sgd_learn_eight_identities(name) -> None:
    network = small(name)
    rows = torch.randn(8, network.dimension, requires_grad=True)
    optimizer = torch.optim.SGD([*network.parameters(), rows], lr=0.1, momentum=0.9)
    labels, losses = torch.arange(8), []
    for _ in range(12):
        cosine = functional.normalize(network(images(8))) @ functional.normalize(rows).T
        loss = functional.cross_entropy(16 * cosine, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert min(losses[-3:]) < 0.3 * losses[0]


@families
def test_every_parameter_but_the_fixed_factors_is_trained(name) -> None:
    network = small(name, **({"stochastic_depth": 0.0} if name == "vit-t" else {}))
    gradients(network)
    without = [key for key, parameter in network.named_parameters() if parameter.grad is None]
    assert without == ["embedding.norm.weight"]
    assert (network.embedding.norm.weight == 1).all()


def test_a_vit_may_average_its_tokens_or_leave_the_edge_of_an_image_out() -> None:
    network = settled(small("vit-t", patch=9, pooling="mean"))
    assert network.positions.shape == (1, 144, 32)
    x, edge = images(2), images(2)
    edge[..., 108:] = 0.0
    assert torch.equal(network(x), network(edge))
