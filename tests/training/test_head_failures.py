"""A mistake or a death on one rank is an error on every rank that names it, within the time allowed; no hang."""

from __future__ import annotations

import os
import signal
from time import monotonic
from typing import Any

import pytest
import torch
import torch.distributed as dist

from tests.training.gloo import Gloo
from tests.training.problem import Problem
from training.agreement import RanksDisagree
from training.ranks import GRACE, RankFailed

PATIENCE = 2.0


def wrong_batch(group: Any, rank: int, change: str) -> float:
    """A step in which one rank comes with something else, then a right one, whose loss is returned."""
    problem = Problem(rows=8)
    head = problem.head(group)
    x, labels = (problem.rows_of(head.ranks, whole) for whole in problem.batch())
    wrong_x, wrong_labels = x.clone(), labels.clone()
    if head.ranks.rank == rank:
        if change == "rows":
            wrong_x, wrong_labels = x[:1], labels[:1]
        if change == "dimensions":
            wrong_x = x[:, :5]
        if change == "dtype":
            wrong_x = x.float()
        if change == "labels' dtype":
            wrong_labels = labels.int()
        if change == "label":
            wrong_labels[1] = 251
        if change == "negative label":
            wrong_labels[0] = -1
        if change == "zero row":
            wrong_x[1] = 0
        if change == "gradient":
            wrong_x = x
    wrong_x = wrong_x.requires_grad_(change != "gradient" or head.ranks.rank != rank)
    head.weight.requires_grad_(change != "gradient")
    error: Exception | None = None
    try:
        head(wrong_x, wrong_labels)
    except (ValueError, TypeError) as raised:
        error = raised
    loss = head(x, labels).item()
    if error is not None:
        raise error
    return loss


@pytest.mark.parametrize(
    ("change", "kind", "says"),
    [
        ("rows", RanksDisagree, "rank 0 and rank 2 differ in rows: 2 and 1; every rank must bring a batch"),
        ("dimensions", RanksDisagree, "rank 0 and rank 2 differ in dimensions: 19 and 5"),
        ("dtype", RanksDisagree, "differ in dtype of embeddings: torch.float64 and torch.float32"),
        ("labels' dtype", RanksDisagree, "differ in dtype of labels: torch.int64 and torch.int32"),
        ("gradient", RanksDisagree, "rank 0 and rank 2 differ in gradients: True and False"),
        ("label", ValueError, "the label of row 1 of rank 2 is 251, outside 0..250"),
        ("negative label", ValueError, "the label of row 0 of rank 2 is -1, outside 0..250"),
        (
            "zero row",
            ValueError,
            r"the embedding of row 1 of rank 2 \(label \d+\) is zero and has no direction",
        ),
    ],
)
def test_a_wrong_batch_on_one_rank_is_an_error_on_all_and_the_next_step_works(
    gloo: Gloo, change: str, kind: type[Exception], says: str
) -> None:
    answers = gloo.answers(wrong_batch, 2, change)
    assert [type(answer) for answer in answers] == [kind] * 4
    assert len({str(answer) for answer in answers}) == 1
    with pytest.raises(kind, match=says):
        raise answers[0]


def no_batch(group: Any, rank: int, change: str) -> float:
    problem = Problem(rows=8)
    head = problem.head(group)
    x, labels = (problem.rows_of(head.ranks, whole) for whole in problem.batch())
    wrong = {
        "float labels": (x, labels.double()),
        "an empty batch": (x[:0], labels[:0]),
        "lengths": (x[:1], labels),
    }
    try:
        head(*(wrong[change] if head.ranks.rank == rank else (x, labels)))
    except (ValueError, TypeError):
        head(x, labels)  # the next step works
        raise
    return 0.0


@pytest.mark.parametrize(
    ("change", "kind", "says"),
    [
        ("float labels", TypeError, "labels must be whole numbers"),
        ("an empty batch", ValueError, "the batch is empty"),
        ("lengths", ValueError, r"they are \(1, 19\) and \(2,\)"),
    ],
)
def test_what_is_no_batch_on_one_rank_is_an_error_on_all_that_names_it(
    gloo: Gloo, change: str, kind: type[Exception], says: str
) -> None:
    answers = gloo.answers(no_batch, 2, change)
    with pytest.raises(kind, match=says):
        raise answers.pop(2)
    for answer in answers:
        assert isinstance(answer, RanksDisagree)
        assert "what rank 2 brought is no batch" in str(answer)


def other_head(group: Any, rank: int, options: dict[str, Any]) -> None:
    Problem().head(group, **(options if dist.get_rank(group) == rank else {}))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"seed": 4}, "the heads of rank 0 and rank 1 differ in seed: 5 and 4"),
        ({"operands": "bf16"}, "rank 0 and rank 1 differ in operands: fp32 and bf16"),
        ({"dtype": torch.float32}, "rank 0 and rank 1 differ in dtype: torch.float64 and torch.float32"),
    ],
)
def test_heads_that_were_made_differently_are_refused_on_every_rank(gloo: Gloo, options, says: str) -> None:
    answers = gloo.answers(other_head, 1, options)
    assert [type(answer) for answer in answers] == [RanksDisagree] * 4
    with pytest.raises(RanksDisagree, match=says):
        raise answers[3]


@pytest.mark.parametrize(
    ("x", "labels", "kind", "says"),
    [
        (torch.ones(3, 19), torch.zeros(2, dtype=torch.int64), ValueError, r"they are \(3, 19\) and \(2,\)"),
        (torch.ones(3, 19), torch.zeros(3), TypeError, "labels must be whole numbers, best int64"),
        (
            torch.ones(3, 19, dtype=torch.int32),
            torch.zeros(3, dtype=torch.int64),
            TypeError,
            "floating point",
        ),
        (torch.ones(0, 19), torch.zeros(0, dtype=torch.int64), ValueError, "the batch is empty"),
        (torch.ones(3, 18), torch.zeros(3, dtype=torch.int64), ValueError, "18 dimensions; the head has 19"),
        (torch.ones(3, 19), torch.tensor([0, 251, 3]), ValueError, "label of row 1 is 251, outside 0..250"),
    ],
)
def test_one_process_alone_gets_the_same_errors(x, labels, kind, says: str) -> None:
    with pytest.raises(kind, match=says):
        Problem().head()(x, labels)


def steps_until_death(group: Any, rank: int, when: str) -> tuple[RankFailed, float] | None:
    """Three steps; in the second, one rank kills itself, or stops coming, at a given point."""
    problem = Problem(rows=6)
    head = problem.head(group)
    x, labels = (problem.rows_of(head.ranks, whole) for whole in problem.batch())
    mine = head.ranks.rank == rank
    gather = head.ranks.gather
    for step in range(3):
        if mine and step == 1 and when == "before the step":
            os.kill(os.getpid(), signal.SIGKILL)
        if mine and step == 1 and when == "stays away":
            return None
        if mine and step == 1:

            def dying(rows: torch.Tensor, what: str = "rows") -> torch.Tensor:
                if what == when:
                    os.kill(os.getpid(), signal.SIGKILL)
                return gather(rows, what)

            head.ranks.gather = dying  # type: ignore[method-assign]
        began = monotonic()
        try:
            head(x.clone().requires_grad_(), labels).backward()
        except RankFailed as failed:
            return failed, monotonic() - began
    return None


@pytest.mark.parametrize(
    ("rank", "when", "kept_by_rank_0"),
    [
        (2, "before the step", False),
        (2, "embeddings", False),
        (1, "sums of the softmax", True),
        (1, "stays away", True),
        (0, "embeddings", False),
        (0, "before the step", True),
    ],
)
def test_a_rank_that_dies_or_stays_away_is_named_on_every_other_in_time(
    rank: int, when: str, kept_by_rank_0: bool
) -> None:
    with Gloo(3, patience=PATIENCE, store_in_rank_0=kept_by_rank_0) as ranks:
        answers = ranks.answers(steps_until_death, rank, when)
        gone = answers.pop(rank)
        assert gone is None if when == "stays away" else isinstance(gone, ChildProcessError)
        for failed, seconds in answers:
            assert isinstance(failed, RankFailed)
            assert failed.missing == (rank,)
            assert f"rank {rank}" in str(failed)
            assert seconds < PATIENCE + GRACE + 2
