"""Pair losses where ranks bring little, in half precision and alone; what the library is not trusted with."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.distributed as dist
from pytorch_metric_learning.losses import CircleLoss, MultiSimilarityLoss
from torch import Tensor
from torch.nn import functional

from tests.training.gloo import Gloo
from training.losses.pairwise import CirclePairs, Unified
from training.losses.rivals import MultiSimilarity, TripletPairs
from training.ranks import Ranks

RULES = {
    "unified": Unified(16.0, 0.3),
    "circle": CirclePairs(256.0, 0.25),
    "triplet, all": TripletPairs(2.5, "all"),
    "triplet, hard": TripletPairs(2.5, "hard"),
    "multi-similarity": MultiSimilarity(),
}


def batch(rows: int, identities: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    labels = torch.arange(rows) % identities
    generator = torch.Generator().manual_seed(3)
    centers = torch.randn(identities, 32, generator=generator, dtype=torch.float64)
    noise = torch.randn(rows, 32, generator=generator, dtype=torch.float64)
    return (centers[labels] + noise).to(dtype), labels


def of_one_row(group: Any, name: str) -> tuple[float, Tensor]:
    ranks = Ranks(group)
    x, labels = batch(3, 2)
    mine = slice(ranks.rank, ranks.rank + 1)
    row = x[mine].clone().requires_grad_()
    loss = RULES[name](row, labels[mine], ranks, ddp_averages=False)
    loss.backward()
    return loss.item(), row.grad


@pytest.mark.parametrize("name", RULES)
def test_ranks_that_bring_one_image_each_see_all_pairs(gloo: Gloo, name: str) -> None:
    x, labels = batch(3, 2)
    x.requires_grad_()
    loss = RULES[name](x, labels)
    loss.backward()
    answers = gloo.ask(of_one_row, name, ranks=3)
    assert loss.item() > 0
    assert [value for value, _ in answers] == pytest.approx([loss.item()] * 3, rel=1e-10)
    torch.testing.assert_close(
        torch.cat([gradient for _, gradient in answers]), x.grad, rtol=1e-9, atol=1e-11
    )


def alone(group: Any) -> tuple[float, int]:
    x, labels = batch(4 + dist.get_rank(), 2)
    groups = len(dist.distributed_c10d._world.pg_map)
    loss = CirclePairs()(x, labels)
    return loss.item(), len(dist.distributed_c10d._world.pg_map) - groups


def test_without_ranks_a_process_is_alone_also_in_a_group_and_makes_none(gloo: Gloo) -> None:
    expected = [(CirclePairs()(*batch(4 + rank, 2)).item(), 0) for rank in range(4)]
    answers = gloo.ask(alone)
    assert [made for _, made in answers] == [0] * 4
    assert [loss for loss, _ in answers] == pytest.approx([loss for loss, _ in expected], rel=1e-10)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(name: str, dtype: torch.dtype) -> None:
    x, labels = batch(24, 6, dtype)
    x.requires_grad_()
    loss = RULES[name](x, labels)
    loss.backward()
    assert loss.dtype == torch.float32
    assert x.grad.dtype == dtype
    assert loss.item() == RULES[name](x.detach().float(), labels).item()


@pytest.mark.parametrize("name", RULES)
def test_autocast_rounds_no_cosine(name: str) -> None:
    x, labels = batch(24, 6, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        within = RULES[name](x, labels)
    assert torch.equal(within, RULES[name](x, labels))


def test_all_triplets_weigh_alike_within_an_anchor_of_any_number_of_positives() -> None:
    x, _ = batch(9, 3)
    labels = torch.tensor([0, 0, 0, 0, 1, 1, 2, 3, 3])
    unit = functional.normalize(x)
    costs = []
    for i in range(9):
        positives = [j for j in range(9) if j != i and labels[j] == labels[i]]
        negatives = [j for j in range(9) if labels[j] != labels[i]]
        terms = [
            ((unit[i] - unit[p]).square().sum() - (unit[i] - unit[n]).square().sum() + 0.4).clamp_min(0)
            for p in positives
            for n in negatives
        ]
        costs += [torch.stack(terms).mean()] if terms else []
    expected = torch.stack(costs).mean()
    torch.testing.assert_close(TripletPairs(0.4, "all")(x, labels), expected, rtol=1e-10, atol=0)


def test_the_library_takes_an_anchor_for_its_own_positive_among_candidates() -> None:
    x, labels = batch(8, 4)
    library = MultiSimilarityLoss(alpha=2.0, beta=50.0, base=0.5)
    assert not torch.isclose(library(x, labels, ref_emb=x, ref_labels=labels.clone()), library(x, labels))
    torch.testing.assert_close(library(x, labels), MultiSimilarity()(x, labels))


def test_the_library_answers_nothing_for_one_pair_of_each_kind() -> None:
    x, labels = batch(3, 2)
    pairs = tuple(torch.tensor([row]) for row in (0, 2, 0, 1))
    assert MultiSimilarityLoss()(x[:1], labels[:1], pairs, x, labels).item() == 0.0


def test_the_librarys_mean_forgets_anchors_that_cost_nothing() -> None:
    x, labels = torch.eye(3)[[0, 0, 1, 2]], torch.tensor([0, 0, 1, 1])
    ours, theirs = CirclePairs(512.0, 0.4)(x, labels), CircleLoss(m=0.4, gamma=512)(x, labels)
    # Anchors 0 and 1 are where they should be: their exponents add up to -2 g m^2 = -164, below what float32 can hold.
    torch.testing.assert_close(theirs, 2 * ours)
