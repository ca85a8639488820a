"""What a step sends: counted, the same for any number of classes, and what the docstring of the head says."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.training.gloo import Gloo
from tests.training.problem import Problem
from training.head.pass_two_sgd import PassTwoSGD


def sent(group: Any, classes: int, update: bool) -> int:
    problem = Problem("circle", classes=classes, dimension=32, rows=24)
    head = problem.head(group, dtype=torch.float32)
    optimizer = PassTwoSGD(head, 0.1, momentum=0.9) if update else None
    x, labels = (problem.rows_of(head.ranks, whole) for whole in problem.batch())
    head.ranks.sent = 0
    head(x.float().requires_grad_(), labels).backward()
    if optimizer is not None:
        optimizer.step()
    return head.ranks.sent


@pytest.mark.parametrize("ranks", [2, 4])
def test_the_bytes_of_a_step_do_not_depend_on_the_number_of_classes(gloo: Gloo, ranks: int) -> None:
    per_rank = {tuple(gloo.ask(sent, classes, True, ranks=ranks)) for classes in (40, 1000, 30_000)}
    (step,) = per_rank
    assert len(set(step)) == 1


@pytest.mark.parametrize("ranks", [2, 4])
def test_the_bytes_of_a_step_are_those_of_the_docstring(gloo: Gloo, ranks: int) -> None:
    rows, dimension, others = 24, 32, ranks - 1
    each = rows // ranks
    words, embeddings, labels = 8 * 8, each * dimension * 4, each * 8
    sums, shares = 2 * rows * 4, each * dimension * 4
    expected = others * (words + embeddings + labels + sums + shares)
    assert gloo.ask(sent, 1000, False, ranks=ranks) == [expected] * ranks


def test_one_process_sends_nothing() -> None:
    assert sent(None, 1000, True) == 0
