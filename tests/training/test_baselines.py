"""Softmax, center loss and their sum against their formulas."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from training.losses.baselines import CenterSoftmax, JointLoss, Softmax
from training.losses.rivals import TripletPairs


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    return x.requires_grad_(), torch.tensor([0, 2, 2, 4, 2, 0])


def test_softmax_starts_from_its_seed_near_guessing() -> None:
    x, labels = batch()
    loss = Softmax(5, 4, seed=3)(x, labels)
    assert loss.item() == pytest.approx(torch.log(torch.tensor(5.0)).item(), abs=0.05)
    assert torch.equal(loss, Softmax(5, 4, seed=3)(x, labels))
    assert not torch.equal(loss, Softmax(5, 4, seed=4)(x, labels))


def test_centers_follow_the_rule_of_the_paper_after_the_loss_used_the_old_ones() -> None:
    x, labels = batch()
    model = CenterSoftmax(5, 4, center_weight=0.1, center_rate=0.5)
    start = torch.randn(5, 4, generator=torch.Generator().manual_seed(1))
    model.centers.copy_(start)
    loss = model(x, labels)
    plain = functional.cross_entropy(model.linear(x), labels)
    apart = sum((x[i] - start[labels[i]]).square().sum() for i in range(6))
    torch.testing.assert_close(loss, plain + 0.1 * apart / 12)
    for j in range(5):
        rows = [x[i].detach() for i in range(6) if labels[i] == j]
        delta = sum((start[j] - row for row in rows), torch.zeros(4)) / (1 + len(rows))
        torch.testing.assert_close(model.centers[j], start[j] - 0.5 * delta)


def test_centers_rest_outside_training_and_take_no_gradient() -> None:
    x, labels = batch()
    model = CenterSoftmax(5, 4).eval()
    model(x, labels).backward()
    assert torch.equal(model.centers, torch.zeros(5, 4))
    assert not model.centers.requires_grad
    assert "centers" in model.state_dict()


def test_the_centers_pull_has_the_papers_gradient() -> None:
    x, labels = batch()
    pulled, plain = CenterSoftmax(5, 4, center_weight=0.3).eval(), Softmax(5, 4)
    (with_centers,) = torch.autograd.grad(pulled(x, labels), x)
    (without,) = torch.autograd.grad(plain(x, labels), x)
    torch.testing.assert_close(with_centers - without, 0.3 * x.detach() / 6)


def test_a_joint_loss_is_the_weighted_sum() -> None:
    x, labels = batch()
    softmax, triplet = Softmax(5, 4), TripletPairs(0.3)
    torch.testing.assert_close(
        JointLoss(softmax, triplet, 0.7)(x, labels), softmax(x, labels) + 0.7 * triplet(x, labels)
    )
    with pytest.raises(ValueError, match="at least 0; it is -1"):
        JointLoss(softmax, triplet, -1.0)


def test_a_batch_that_overflowed_moves_no_center() -> None:
    x, labels = batch()
    fine, overflowed = CenterSoftmax(5, 4), CenterSoftmax(5, 4)
    fine(x[2:], labels[2:])
    overflowed(torch.cat([torch.full((2, 4), torch.inf), x[2:]]), labels)
    expected = fine.centers.clone()
    # Of class 2 a row of three is left out, of class 0 one of two.
    torch.testing.assert_close(overflowed.centers, expected)


@pytest.mark.parametrize("label", [-1, 5])
@pytest.mark.parametrize("kind", [Softmax, CenterSoftmax])
def test_a_label_outside_the_classes_is_named_with_its_row(kind: type[Softmax], label: int) -> None:
    x, labels = batch()
    labels[3] = label
    with pytest.raises(ValueError, match=f"the label of row 3 is {label}, outside 0..4"):
        kind(5, 4)(x, labels)


@pytest.mark.parametrize("kind", [Softmax, CenterSoftmax])
def test_half_precision_is_taken_in_full(kind: type[Softmax]) -> None:
    x, labels = batch()
    assert torch.equal(kind(5, 4)(x.half(), labels), kind(5, 4)(x.half().float(), labels))


def test_a_center_rate_outside_0_to_1_is_refused() -> None:
    with pytest.raises(ValueError, match=r"they are 0.1, 1.5"):
        CenterSoftmax(5, 4, center_weight=0.1, center_rate=1.5)
