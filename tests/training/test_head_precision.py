"""Half-size operands: errors as the design says, exact targets and lifted probabilities shown to matter."""

from __future__ import annotations

import pytest
import torch

from benchmarks.head_precision import Error, table
from tests.training.gloo import Gloo
from tests.training.problem import Problem, sharded
from training.head.precision import LIFT, precision
from training.head.sharded import ShardedClassifier
from training.losses.logit_maps import logit_map


@pytest.fixture(scope="module")
def errors() -> dict[tuple[str, str, str], Error]:
    return {(error.loss, error.state, error.operands): error for error in table()}


LOSSES = ["coco", "arcface", "circle"]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("operands", "bar"), [("fp32", 1e-6), ("fp16", 2.5e-4), ("bf16", 2e-3)])
def test_the_first_gradient_is_as_exact_as_its_operands(errors, loss: str, operands: str, bar: float) -> None:
    error = errors[loss, "first step", operands]
    assert error.of_embeddings < bar
    assert error.of_rows < bar
    assert error.of_loss < bar / 10


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(("operands", "bar"), [("fp32", 2e-5), ("fp16", 1e-3), ("bf16", 1e-2)])
def test_gradients_of_recognised_faces_stay_exact_where_naive_ones_are_lost(
    errors, loss: str, operands: str, bar: float
) -> None:
    error = errors[loss, "recognised", operands]
    assert error.of_embeddings < bar
    assert error.of_rows < bar
    assert errors[loss, "recognised", "bf16, naive"].of_embeddings > 0.5


@pytest.mark.parametrize("loss", ["coco", "arcface"])
@pytest.mark.parametrize("operands", ["fp16", "bf16"])
def test_targets_in_full_precision_make_recognised_faces_several_times_more_exact(
    errors, loss: str, operands: str
) -> None:
    exact, rounded = (errors[loss, "recognised", operands + tail] for tail in ("", ", rounded targets"))
    assert rounded.of_embeddings > 3 * exact.of_embeddings
    assert rounded.of_rows > 3 * exact.of_rows


def test_probabilities_of_ten_million_classes_survive_half_precision() -> None:
    half = precision("fp16")
    share = torch.tensor([1e-7, 3.3e-9])
    assert half.rounded(share)[1] == 0
    assert ((half.rounded(share * LIFT) / LIFT - share) / share).abs().max() < 1e-3
    assert torch.isfinite(half.rounded(torch.tensor([LIFT * 2.0])))


def test_no_gradient_of_many_equal_classes_vanishes_in_fp16() -> None:
    classes, of = 300_000, logit_map("coco", scale=1.0)
    x = torch.randn(2, 8, generator=torch.Generator().manual_seed(0))
    gradients = []
    for operands in ("fp32", "fp16"):
        head = ShardedClassifier(classes, 8, of, operands=operands)
        head(x, torch.tensor([5, 9])).backward()
        gradients.append(head.weight.grad)
    full, half = gradients
    assert (half != 0).any(1).all()
    assert ((half - full).norm(dim=1) / full.norm(dim=1)).median() < 2e-3


def test_rounded_operands_give_the_same_numbers_on_any_ranks(gloo: Gloo) -> None:
    problem, options = Problem("arcface"), {"operands": "bf16", "dtype": torch.float32}
    alone, shared = (
        torch.cat([part.by_embedding for part in gloo.ask(sharded, problem, options, ranks=ranks)])
        for ranks in (1, 4)
    )
    # Weights are rounded beside the largest logit of their rank, so the last digit of bf16 may differ.
    assert (alone - shared).norm() < 1e-3 * alone.norm()
