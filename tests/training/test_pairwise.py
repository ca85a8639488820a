"""Pair losses against their formulas written row by row, their degenerations, and themselves on more ranks."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_metric_learning.losses import CircleLoss, MultiSimilarityLoss
from torch import Tensor
from torch.nn import functional

from tests.training.gloo import Gloo
from training.losses.logit_maps import CosFace, logits
from training.losses.pairwise import CirclePairs, Unified
from training.losses.rivals import MultiSimilarity, TripletPairs
from training.ranks import Ranks

RULES = {
    "unified": Unified(16.0, 0.3),
    "circle": CirclePairs(20.0, 0.25),
    "circle, faces": CirclePairs(256.0, 0.25),
    "triplet, all": TripletPairs(0.4, "all"),
    "triplet, hard": TripletPairs(0.4, "hard"),
    "multi-similarity": MultiSimilarity(),
}
MIXED = [0, 0, 1, 1, 1, 2, 3, 0, 2, 4, 4, 5]


def batch(labels: list[int] = MIXED, dimension: int = 6, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(len(labels), dimension, generator=generator, dtype=torch.float64)
    return x.requires_grad_(), torch.tensor(labels)


def literal_anchor(rule: Any, same: list[Tensor], other: list[Tensor]) -> Tensor:
    """One anchor's cost by its paper, from its similarities."""
    if isinstance(rule, Unified):
        g, m = rule.scale, rule.margin
        return torch.log1p(sum(torch.exp(g * (n - p + m)) for p in same for n in other))
    if isinstance(rule, CirclePairs):
        g, m = rule.scale, rule.margin
        pulled = [-g * (1 + m - p).clamp_min(0).detach() * (p - 1 + m) for p in same]
        pushed = [g * (n + m).clamp_min(0).detach() * (n - m) for n in other]
        return torch.logaddexp(
            torch.zeros((), dtype=torch.float64),
            torch.stack(pulled).logsumexp(0) + torch.stack(pushed).logsumexp(0),
        )
    if isinstance(rule, MultiSimilarity):
        pull = torch.log1p(sum(torch.exp(-rule.alpha * (p - rule.base)) for p in same)) / rule.alpha
        push = torch.log1p(sum(torch.exp(rule.beta * (n - rule.base)) for n in other)) / rule.beta
        return pull + push
    triples = [((2 - 2 * p) - (2 - 2 * n) + rule.margin).clamp_min(0) for p in same for n in other]
    return torch.stack(triples).max() if rule.mining == "hard" else torch.stack(triples).mean()


def literal(rule: Any, x: Tensor, labels: Tensor) -> Tensor:
    costs = []
    for i in range(len(x)):
        cosine = [x[i] @ x[j] / (x[i].norm() * x[j].norm()) for j in range(len(x))]
        same = [cosine[j] for j in range(len(x)) if j != i and labels[j] == labels[i]]
        other = [cosine[j] for j in range(len(x)) if labels[j] != labels[i]]
        if same and other:
            costs.append(literal_anchor(rule, same, other))
    return torch.stack(costs).mean()


@pytest.mark.parametrize("name", RULES)
def test_a_pair_loss_is_its_formula_and_so_is_its_gradient(name: str) -> None:
    x, labels = batch()
    y = x.detach().clone().requires_grad_()
    loss, slow = RULES[name](x, labels), literal(RULES[name], y, labels)
    loss.backward()
    slow.backward()
    torch.testing.assert_close(loss, slow, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(x.grad, y.grad, rtol=1e-9, atol=1e-11)


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(list(RULES)),
    labels=st.lists(st.integers(0, 3), min_size=2, max_size=9).filter(
        lambda ids: len(set(ids)) > 1 and len(set(ids)) < len(ids)
    ),
    seed=st.integers(0, 1000),
)
def test_any_labels_give_the_formula(name: str, labels: list[int], seed: int) -> None:
    x, ids = batch(labels, seed=seed)
    torch.testing.assert_close(RULES[name](x, ids), literal(RULES[name], x, ids), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("labels", [[0, 1, 2, 3], [7, 7, 7], [5]])
def test_a_batch_without_both_kinds_of_pairs_costs_nothing_and_has_a_zero_gradient(
    name: str, labels: list[int]
) -> None:
    x, ids = batch(labels)
    loss = RULES[name](x, ids)
    loss.backward()
    assert loss.item() == 0.0
    assert torch.equal(x.grad, torch.zeros_like(x))


@pytest.mark.parametrize(("name", "dtype"), list(product(RULES, [torch.float32, torch.float64])))
def test_cosines_of_one_and_minus_one_stay_finite(name: str, dtype: torch.dtype) -> None:
    x = torch.tensor([[1.0, 0], [1, 0], [-1, 0], [-1, 0], [1, 0], [0, 1]], dtype=dtype).requires_grad_()
    loss = RULES[name](x, torch.tensor([0, 0, 0, 1, 1, 1]))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(x.grad).all()


def test_unified_with_one_positive_and_class_weights_is_am_softmax() -> None:
    of = CosFace(24.0, 0.35)
    cosine = torch.rand(5, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    labels = torch.tensor([0, 3, 3, 8, 1])
    own = functional.one_hot(labels, 9).bool()
    costs = Unified(of.scale, of.margin).of(cosine, own, ~own)
    expected = functional.cross_entropy(logits(cosine, labels, of), labels, reduction="none")
    torch.testing.assert_close(costs, expected, rtol=1e-12, atol=1e-12)


def test_unified_over_its_scale_tends_to_the_hard_triplet_loss() -> None:
    x, labels = batch()
    unit = functional.normalize(x)
    cosine = unit @ unit.T
    same = (labels[:, None] == labels) & ~torch.eye(len(x), dtype=torch.bool)
    other = labels[:, None] != labels
    usable = same.any(1) & other.any(1)
    farthest, nearest = cosine.masked_fill(~same, 2).amin(1), cosine.masked_fill(~other, -2).amax(1)
    hard = (nearest - farthest + 0.3).clamp_min(0)[usable]
    gaps = []
    for scale in (10.0, 100.0, 1e4):
        costs = Unified(scale, 0.3).of(cosine, same, other)[usable] / scale
        gaps.append((costs - hard).abs().max().item())
    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < math.log(1 + len(x) ** 2) / 1e4


@pytest.mark.parametrize("scale", [20.0, 80.0])
def test_circle_agrees_with_the_library(scale: float) -> None:
    x, labels = batch([0, 0, 1, 1, 1, 2, 2, 0])
    y = x.detach().clone().requires_grad_()
    mine, theirs = CirclePairs(scale, 0.4)(x, labels), CircleLoss(m=0.4, gamma=scale)(y, labels)
    mine.backward()
    theirs.backward()
    # The library's softplus is cut off at 20, which costs it e^-20.
    torch.testing.assert_close(mine, theirs, rtol=1e-8, atol=1e-9)
    torch.testing.assert_close(x.grad, y.grad, rtol=1e-7, atol=1e-8)


def test_the_librarys_multi_similarity_is_right_on_one_rank() -> None:
    x, labels = batch([0, 0, 1, 1, 1, 2, 2, 0])
    theirs = MultiSimilarityLoss(alpha=2.0, beta=50.0, base=0.5)
    torch.testing.assert_close(MultiSimilarity()(x, labels), theirs(x, labels))


def test_circles_gradient_is_the_derivative_with_its_paces_held() -> None:
    rule = CirclePairs(20.0, 0.25)
    drawn = torch.rand(3, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    cosine = (drawn * 1.8 - 0.9).requires_grad_()
    same = torch.tensor([[1, 0, 0, 1, 0, 0, 0], [0, 1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1, 0]]).bool()
    rule.of(cosine, same, ~same).sum().backward()
    held = cosine.detach()
    pace_same, pace_other = (1.25 - held).clamp_min(0), (held + 0.25).clamp_min(0)

    def with_held_paces(c: Tensor) -> Tensor:
        pulled = (-20 * pace_same * (c - 0.75)).masked_fill(~same, -torch.inf).logsumexp(1)
        pushed = (20 * pace_other * (c - 0.25)).masked_fill(same, -torch.inf).logsumexp(1)
        return functional.softplus(pulled + pushed, threshold=100).sum()

    other = held.clone().requires_grad_()
    assert torch.autograd.gradcheck(with_held_paces, other)
    with_held_paces(other).backward()
    torch.testing.assert_close(cosine.grad, other.grad)


def on_ranks(group: Any, name: str, averages: bool) -> tuple[float, Tensor]:
    ranks = Ranks(group)
    x, labels = batch()
    each = len(labels) // ranks.size
    part = slice(ranks.rank * each, (ranks.rank + 1) * each)
    mine = x.detach()[part].clone().requires_grad_()
    loss = RULES[name](mine, labels[part], ranks, ddp_averages=averages)
    loss.backward()
    return loss.item(), mine.grad


@pytest.mark.parametrize(("name", "ranks"), list(product(RULES, [1, 2, 4])))
def test_ranks_together_see_all_pairs(gloo: Gloo, name: str, ranks: int) -> None:
    x, labels = batch()
    loss = RULES[name](x, labels)
    loss.backward()
    answers = gloo.ask(on_ranks, name, False, ranks=ranks)
    for other, _ in answers:
        assert other == pytest.approx(loss.item(), rel=1e-10)
    torch.testing.assert_close(torch.cat([grad for _, grad in answers]), x.grad, rtol=1e-9, atol=1e-11)
    averaged = torch.cat([grad for _, grad in gloo.ask(on_ranks, name, True, ranks=ranks)])
    torch.testing.assert_close(averaged, ranks * x.grad, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda x, y: (x.index_fill(0, torch.tensor([2]), 0.0), y),
            "row 2 .label 1. is zero and has no direction",
        ),
        (lambda x, y: (x, y - 1), "the label of row 0 is -1"),
        (lambda x, y: (x[:3], y), r"they are \(3, 6\) and \(12,\)"),
    ],
)
def test_what_cannot_be_compared_is_refused_by_its_row(change, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        CirclePairs()(*change(*batch()))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Unified(0.0), "a scale must be finite and above 0; it is 0.0"),
        (lambda: CirclePairs(80.0, 1.5), "a margin must lie in 0..1; it is 1.5"),
        (lambda: TripletPairs(5.0), "lies in 0..4; it is 5.0"),
        (lambda: TripletPairs(0.2, "soft"), "there is no mining 'soft'"),
        (lambda: MultiSimilarity(alpha=0.0), "must be above 0; they are 0.0"),
    ],
)
def test_settings_that_cannot_be_are_refused(make, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()
