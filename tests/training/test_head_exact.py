"""The fused, sharded head equals dense autograd to 1e-10: every loss, any ranks, odd sizes, hard labels."""

from __future__ import annotations

import shutil
from itertools import chain, product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.gloo import Gloo
from tests.training.literal import literal_loss
from tests.training.problem import Answer, Problem, assert_equal, dense, joined, sharded
from training.head.fused import Classes, targets_among
from training.head.initial import fill_rows
from training.head.reference import dense_loss
from training.losses.logit_maps import MAPS, logit_map


@pytest.mark.parametrize(("loss", "ranks"), list(product(MAPS, [1, 2, 4])))
def test_loss_and_gradients_equal_dense_autograd(gloo: Gloo, loss: str, ranks: int) -> None:
    problem = Problem(loss)
    assert_equal(joined(gloo.ask(sharded, problem, {}, ranks=ranks)), dense(problem))


@pytest.mark.parametrize("loss", MAPS)
def test_dense_autograd_equals_the_formula_row_by_row(loss: str) -> None:
    problem = Problem(loss, classes=7, dimension=5, rows=6)
    x, labels = problem.batch()
    weight = torch.empty(7, 5, dtype=torch.float64)
    fill_rows(weight, 0, problem.seed)
    x.requires_grad_()
    weight.requires_grad_()
    of = problem.of
    literal = literal_loss(loss, x, weight, labels, of.scale, getattr(of, "margin", 0.0))
    literal.backward()
    assert_equal(Answer(literal.item(), x.grad, weight.grad), dense(problem))


@pytest.mark.parametrize(
    "problem",
    [
        Problem(labels="few", rows=24),
        Problem(labels="one"),
        Problem("circle", labels="few", rows=24),
        Problem("circle", classes=5, rows=8),  # one rank of four has no class at all
        Problem("coco", classes=2, rows=4),
        Problem("cosface", classes=1, rows=4),  # nobody to be confused with: the loss is 0
        Problem("arcface", classes=17 * 4, dimension=2, rows=4),
    ],
)
@pytest.mark.parametrize("ranks", [1, 2, 4])
def test_hard_layouts_and_labels_change_nothing(gloo: Gloo, problem: Problem, ranks: int) -> None:
    assert_equal(joined(gloo.ask(sharded, problem, {}, ranks=ranks)), dense(problem))


@pytest.mark.parametrize("loss", MAPS)
def test_a_batch_of_one_row(gloo: Gloo, loss: str) -> None:
    problem = Problem(loss, rows=1)
    assert_equal(joined(gloo.ask(sharded, problem, {}, ranks=1)), dense(problem))
    four = Problem(loss, rows=4)
    assert_equal(joined(gloo.ask(sharded, four, {}, ranks=4)), dense(four))


@settings(max_examples=60, deadline=None)
@given(
    loss=st.sampled_from(list(MAPS)),
    classes=st.integers(1, 60),
    dimension=st.integers(2, 40),
    rows=st.integers(1, 9),
    chunk=st.integers(1, 70),
    seed=st.integers(0, 2**32),
)
def test_any_size_in_any_chunks_equals_dense_autograd(loss, classes, dimension, rows, chunk, seed) -> None:
    problem = Problem(loss, classes, dimension, rows, seed=seed)
    assert_equal(sharded(None, problem, {"chunk": chunk}), dense(problem))


@pytest.mark.parametrize("loss", MAPS)
def test_embeddings_on_a_centroid_or_opposite_to_it_have_finite_equal_gradients(loss: str) -> None:
    problem = Problem(loss, classes=9, dimension=6, rows=4)
    head = problem.head(chunk=4)
    rows = head.weight.detach()
    x = torch.stack([3 * rows[1], -rows[2], rows[5], -2 * rows[0]]).requires_grad_()
    labels = torch.tensor([1, 2, 0, 7])
    loss_here = head(x, labels)
    loss_here.backward()
    y, weight = x.detach().requires_grad_(), rows.clone().requires_grad_()
    loss_dense = dense_loss(y, weight, labels, problem.of)
    loss_dense.backward()
    assert torch.isfinite(x.grad).all()
    assert torch.isfinite(head.weight.grad).all()
    here = Answer(loss_here.item(), x.grad, head.weight.grad)
    # ArcFace's slope has no bound at cosine 1: there two roundings of the cosine differ by 1e-8 in the gradient.
    assert_equal(here, Answer(loss_dense.item(), y.grad, weight.grad), 1e-6 if loss == "arcface" else 1e-10)


def averaged(group, problem: Problem) -> tuple[torch.Tensor, torch.Tensor]:
    plain, scaled = (sharded(group, problem, {"ddp_averages": averages}) for averages in (False, True))
    assert torch.equal(plain.by_weight, scaled.by_weight)
    return plain.by_embedding, scaled.by_embedding


def test_for_ddp_the_embeddings_gradient_is_times_the_ranks(gloo: Gloo) -> None:
    for plain, scaled in gloo.ask(averaged, Problem()):
        torch.testing.assert_close(scaled, 4 * plain)


def test_a_well_recognised_row_keeps_the_digits_of_its_small_loss() -> None:
    problem = Problem("coco", classes=3, dimension=3, rows=1, settings={"scale": 60.0})
    head = problem.head(dtype=torch.float32)
    with torch.no_grad():
        head.weight.copy_(torch.eye(3))
    x = torch.tensor([[1.0, 0.0, 0.0]], requires_grad=True)
    loss = head(x, torch.tensor([0]))
    loss.backward()
    expected = 2 * torch.tensor(-60.0, dtype=torch.float64).exp()  # e^-60 beside 1 is lost in float32
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)
    assert x.grad.abs().max().item() == pytest.approx((60 * expected / 2).item(), rel=1e-4)


def test_without_gradient_nothing_of_it_is_computed_and_the_loss_is_the_same() -> None:
    problem = Problem()
    x, labels = problem.batch()
    with torch.no_grad():
        loss = problem.head()(x, labels)
    assert not loss.requires_grad
    assert loss.item() == pytest.approx(dense(problem).loss, rel=1e-12)


def test_a_frozen_head_still_gives_the_embeddings_their_gradient() -> None:
    problem = Problem()
    head = problem.head()
    head.weight.requires_grad_(False)
    x, labels = problem.batch()
    head(x.requires_grad_(), labels).backward()
    assert head.weight.grad is None
    torch.testing.assert_close(x.grad, dense(problem).by_embedding)


def test_an_upstream_factor_scales_every_gradient(gloo: Gloo) -> None:
    problem = Problem()
    head, answer = problem.head(), dense(problem)
    x, labels = problem.batch()
    (3 * head(x.requires_grad_(), labels)).backward()
    torch.testing.assert_close(x.grad, 3 * answer.by_embedding)
    torch.testing.assert_close(head.weight.grad, 3 * answer.by_weight)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on a CPU")
def test_a_compiled_map_gives_the_same_numbers() -> None:
    problem = Problem("circle", rows=6)
    assert_equal(sharded(None, problem, {"compiled": True, "chunk": 64}), dense(problem))


def sampled(group, problem: Problem, share: float) -> tuple[Answer, list[int]]:
    head = problem.head(group, sample=share)
    x, labels = (problem.rows_of(head.ranks, whole) for whole in problem.batch())
    chosen = head.sampled(head.ranks.gather(labels))
    x = x.clone().requires_grad_()
    loss = head(x, labels)
    loss.backward()
    return Answer(loss.item(), x.grad, head.weight.grad), (chosen + head.share.start).tolist()


@pytest.mark.parametrize("ranks", [1, 4])
def test_a_sampled_step_is_the_exact_step_over_the_classes_drawn(gloo: Gloo, ranks: int) -> None:
    problem = Problem("arcface")
    parts = gloo.ask(sampled, problem, 0.2, ranks=ranks)
    chosen = torch.tensor(sorted(chain.from_iterable(drawn for _, drawn in parts)))
    x, labels = problem.batch()
    assert set(labels.tolist()) <= set(chosen.tolist())
    assert 0.2 * problem.classes <= len(chosen) + ranks <= 0.2 * problem.classes + problem.rows + 2 * ranks
    weight = torch.empty(problem.classes, problem.dimension, dtype=torch.float64)
    fill_rows(weight, 0, problem.seed)
    weight.requires_grad_()
    x.requires_grad_()
    loss = dense_loss(x, weight[chosen], torch.searchsorted(chosen, labels), problem.of)
    loss.backward()
    assert_equal(joined([answer for answer, _ in parts]), Answer(loss.item(), x.grad, weight.grad))


def test_each_step_draws_another_sample_and_every_class_is_drawn_in_time() -> None:
    head = Problem().head(sample=0.2)
    labels = torch.tensor([3])
    drawn = []
    for step in range(60):
        head.steps = step
        drawn.append(head.sampled(labels).tolist())
    assert drawn[0] != drawn[1]
    assert all(3 in draw for draw in drawn)
    assert set(chain.from_iterable(drawn)) == set(range(251))


def test_any_share_of_the_rows_draws_the_same_first_values() -> None:
    whole = torch.empty(5000, 37)
    fill_rows(whole, 0, seed=11)
    for start, stop in [(0, 1), (4095, 4097), (1234, 5000)]:
        part = torch.empty(stop - start, 37, dtype=torch.float64)
        fill_rows(part, start, seed=11)
        assert torch.equal(part.float(), whole[start:stop])
    assert whole.mean().abs() < 1e-4
    assert whole.std().item() == pytest.approx(0.01, rel=0.01)
    assert (whole / 0.01).pow(4).mean().item() == pytest.approx(3.0, rel=0.05)
    other = torch.empty(5000, 37)
    fill_rows(other, 0, seed=12)
    assert (whole * other).mean().abs() < 1e-6
    assert len(torch.unique(whole[:, 0])) > 4990


def test_targets_come_in_the_order_of_their_class_with_every_row_once() -> None:
    labels = torch.tensor([7, 3, 9, 3, 12, 8])
    targets = targets_among(labels, start=3, classes=6)
    assert targets.columns.tolist() == [0, 0, 4, 5]
    assert targets.rows.tolist() == [1, 3, 0, 5]
    assert targets.starts(4, 6) == [0, 2, 4]
    chosen = torch.tensor([0, 2, 4, 5])
    assert targets_among(labels, 3, 6, chosen).columns.tolist() == [0, 0, 2, 3]
    assert len(Classes(torch.zeros(6, 2), chosen)) == 4


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"sample": 0.0}, "share of classes to sample must lie above 0"),
        ({"chunk": 0}, "a chunk holds at least one class"),
        ({"backend": "cuda"}, "there is no backend 'cuda'"),
        ({"operands": "int8"}, "there is no precision 'int8'"),
        ({"backend": "dense", "sample": 0.5}, "dense backend keeps all logits in one process"),
    ],
)
def test_a_head_that_cannot_be_is_refused_with_the_value(options, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Problem().head(**options)


def test_a_head_says_what_it_holds() -> None:
    assert "classes=251, dimension=19" in str(Problem().head())
    assert "rows 0..250 on rank 0 of 1" in str(Problem().head())
    assert logit_map("circle") != logit_map("circle", scale=80.0)
