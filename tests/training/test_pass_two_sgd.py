"""SGD in pass two: torch.optim.SGD's numbers, the same curve on any ranks, nothing half done."""

from __future__ import annotations

import pytest
import torch

from tests.training.gloo import Gloo
from tests.training.problem import Problem
from training.head.pass_two_sgd import PassTwoSGD, Verdict
from training.losses.logit_maps import MAPS

SETTINGS = [
    {},
    {"momentum": 0.9, "weight_decay": 5e-4},
    {"momentum": 0.8, "nesterov": True},
    {"weight_decay": 1e-2},
]


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("loss", ["coco", "arcface", "circle"])
def test_twenty_steps_equal_torch_sgd(loss: str, settings) -> None:
    problem = Problem(loss)
    here, there = problem.head(), problem.head(chunk=64)
    mine = PassTwoSGD(here, 0.01, **settings)
    theirs = torch.optim.SGD(there.parameters(), 0.01, **settings)
    start = here.weight.detach().clone()
    for step in range(20):
        x, labels = problem.batch(step)
        here(x, labels).backward()
        mine.step()
        theirs.zero_grad()
        there(x, labels).backward()
        theirs.step()
    torch.testing.assert_close(here.weight, there.weight, rtol=1e-10, atol=1e-12)
    assert (here.weight - start).abs().max() > 1e-3
    assert here.weight.grad is None
    if settings.get("momentum"):
        buffers = [
            optimizer.state[head.weight]["momentum_buffer"]
            for optimizer, head in ((mine, here), (theirs, there))
        ]
        torch.testing.assert_close(*buffers, rtol=1e-10, atol=1e-12)


def test_accumulated_batches_are_one_exact_step_and_a_schedule_moves_the_rate() -> None:
    problem = Problem("circle")
    here, there = problem.head(), problem.head()
    mine, theirs = (
        PassTwoSGD(here, 0.01, momentum=0.9),
        torch.optim.SGD(there.parameters(), 0.01, momentum=0.9),
    )
    schedules = [torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 5) for optimizer in (mine, theirs)]
    for step in range(5):
        theirs.zero_grad()
        for part in range(3):
            x, labels = problem.batch(10 * step + part)
            (here(x, labels) / 3).backward()
            (there(x, labels) / 3).backward()
        assert mine.recorded == 3
        mine.step()
        theirs.step()
        for schedule in schedules:
            schedule.step()
    torch.testing.assert_close(here.weight, there.weight, rtol=1e-10, atol=1e-12)


def test_a_sampled_step_touches_only_the_classes_drawn() -> None:
    problem = Problem()
    head = problem.head(sample=0.1)
    optimizer = PassTwoSGD(head, 0.01, momentum=0.9, weight_decay=0.1)
    x, labels = problem.batch()
    chosen = head.sampled(labels)
    before = head.weight.detach().clone()
    head(x, labels).backward()
    optimizer.step()
    changed = (head.weight != before).any(1)
    assert changed.nonzero().squeeze(1).tolist() == chosen.tolist()
    kept = problem.head(sample=0.1)
    kept(x, labels).backward()
    expected = before[chosen] - 0.01 * (kept.weight.grad[chosen] + 0.1 * before[chosen])
    torch.testing.assert_close(head.weight[chosen], expected, rtol=1e-10, atol=1e-12)
    head(x, labels).backward()
    with pytest.raises(RuntimeError, match="a sampled head takes one batch a step"):
        head(x, labels).backward()


def curve(group, loss: str, sample: float | None) -> list[float]:
    """A linear backbone, its gradients averaged over ranks as DistributedDataParallel does, and the head."""
    problem = Problem(loss, classes=253, rows=24, labels="few")
    head = problem.head(group, ddp_averages=True, sample=sample)
    optimizer = PassTwoSGD(head, 0.003, momentum=0.9, weight_decay=1e-3, max_norm=1.0)
    backbone = torch.nn.Linear(problem.dimension, problem.dimension, bias=False, dtype=torch.float64)
    with torch.no_grad():
        backbone.weight.copy_(torch.eye(problem.dimension))
    losses = []
    for step in range(15):
        x, labels = (problem.rows_of(head.ranks, whole) for whole in problem.batch(step % 5))
        backbone.zero_grad()
        loss_now = head(backbone(x), labels)
        loss_now.backward()
        gradient = head.ranks.sum(backbone.weight.grad) / head.ranks.size
        verdict = optimizer.step()
        with torch.no_grad():
            backbone.weight -= 0.003 * verdict.coefficient * gradient
        losses.append(loss_now.item())
    return losses


@pytest.mark.parametrize("loss", MAPS)
def test_the_same_seed_gives_the_same_curve_on_one_two_and_four_ranks(gloo: Gloo, loss: str) -> None:
    (alone,) = gloo.ask(curve, loss, None, ranks=1)
    assert alone[-1] < alone[0]
    for ranks in (2, 4):
        for other in gloo.ask(curve, loss, None, ranks=ranks):
            assert other == pytest.approx(alone, rel=1e-9)


def test_a_sampled_curve_falls_too_but_is_another(gloo: Gloo) -> None:
    (exact,) = gloo.ask(curve, "arcface", None, ranks=1)
    (sampled,) = gloo.ask(curve, "arcface", 0.3, ranks=1)
    assert sampled[-1] < sampled[0] < exact[0]


def spoilt(group, rank_with_nan: int) -> tuple[Verdict, bool]:
    problem = Problem(rows=8)
    head = problem.head(group)
    optimizer = PassTwoSGD(head, 0.01, momentum=0.9)
    before = head.weight.detach().clone()
    x, labels = (problem.rows_of(head.ranks, whole) for whole in problem.batch())
    x = x.clone()
    if head.ranks.rank == rank_with_nan:
        x[0, 0] = torch.nan
    head(x.requires_grad_(), labels).backward()
    verdict = optimizer.step()
    return verdict, torch.equal(head.weight, before) and not optimizer.state and optimizer.recorded == 0


def test_a_gradient_that_is_not_finite_on_one_rank_changes_no_row_on_any(gloo: Gloo) -> None:
    for verdict, untouched in gloo.ask(spoilt, 1, ranks=4):
        assert not verdict.finite
        assert untouched
    for verdict, untouched in gloo.ask(spoilt, -1, ranks=4):
        assert verdict.finite
        assert not untouched


def clipped(group, max_norm: float) -> tuple[Verdict, torch.Tensor, torch.Tensor]:
    problem = Problem(rows=8)
    head = problem.head(group, ddp_averages=False)
    optimizer = PassTwoSGD(head, 1.0, max_norm=max_norm)
    x, labels = (problem.rows_of(head.ranks, whole) for whole in problem.batch())
    unit = torch.nn.functional.normalize(x).requires_grad_()
    before = head.weight.detach().clone()
    head(unit, labels).backward()
    verdict = optimizer.verdict()
    assert optimizer.step() == verdict
    return verdict, unit.grad, before - head.weight.detach()


@pytest.mark.parametrize("ranks", [1, 4])
def test_clipping_is_by_the_embeddings_gradient_of_the_whole_batch(gloo: Gloo, ranks: int) -> None:
    free, tight = gloo.ask(clipped, 1e9, ranks=ranks), gloo.ask(clipped, 0.5, ranks=ranks)
    norm = free[0][0].norm
    assert free[0][0].coefficient == 1.0
    # The gradient by unit rows may point along them, which the embeddings' own cannot: it is the larger.
    across = torch.cat([gradient for _, gradient, _ in free]).norm().item()
    assert across <= norm * (1 + 1e-9)
    for (verdict, _, step), (_, _, whole) in zip(tight, free, strict=True):
        assert verdict.coefficient == pytest.approx(0.5 / norm)
        torch.testing.assert_close(step, whole * verdict.coefficient, rtol=1e-9, atol=1e-12)


def test_a_loss_scale_is_taken_away_before_the_step() -> None:
    problem = Problem()
    x, labels = problem.batch()
    plain, scaled = problem.head(), problem.head()
    first, second = PassTwoSGD(plain, 0.1, max_norm=0.2), PassTwoSGD(scaled, 0.1, max_norm=0.2)
    plain(x.clone().requires_grad_(), labels).backward()
    (scaled(x.clone().requires_grad_(), labels) * 1024.0).backward()
    assert second.verdict(loss_scale=1024.0).norm == pytest.approx(first.verdict().norm)
    first.step()
    second.step(loss_scale=1024.0)
    torch.testing.assert_close(plain.weight, scaled.weight, rtol=1e-12, atol=0)


def test_rows_changed_between_forward_and_step_are_refused_and_stay() -> None:
    problem = Problem()
    head = problem.head()
    optimizer = PassTwoSGD(head, 0.1)
    head(*problem.batch()).backward()
    with torch.no_grad():
        head.weight[3] += 1
    before = head.weight.detach().clone()
    with pytest.raises(RuntimeError, match="rows were changed between forward and step"):
        optimizer.step()
    assert torch.equal(head.weight, before)
    optimizer.step()  # nothing is recorded any more
    assert torch.equal(head.weight, before)


def test_a_kept_gradient_of_rows_that_were_changed_since_is_refused() -> None:
    problem = Problem()
    head = problem.head()
    loss = head(*problem.batch())
    with torch.no_grad():
        head.weight[3] += 1
    with pytest.raises(RuntimeError, match="rows were changed between forward and step"):
        loss.backward()
    assert head.weight.grad is None


def test_zero_grad_forgets_what_was_recorded() -> None:
    problem = Problem()
    head = problem.head()
    optimizer = PassTwoSGD(head, 0.1)
    head(*problem.batch()).backward()
    optimizer.zero_grad()
    before = head.weight.detach().clone()
    optimizer.step()
    assert torch.equal(head.weight, before)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"lr": -1.0}, "at least 0; they are -1.0"),
        ({"lr": 0.1, "nesterov": True}, "Nesterov's step needs a momentum"),
        ({"lr": 0.1, "max_norm": 0.0}, "must be above 0; it is 0.0"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        PassTwoSGD(Problem().head(), **settings)


def test_a_head_has_one_optimizer_in_pass_two_and_a_dense_one_none() -> None:
    head = Problem().head()
    PassTwoSGD(head, 0.1)
    with pytest.raises(ValueError, match="has an optimizer in pass two already"):
        PassTwoSGD(head, 0.1)
    with pytest.raises(ValueError, match="the dense backend has no pass two"):
        PassTwoSGD(Problem().head(backend="dense"), 0.1)
