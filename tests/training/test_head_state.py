"""A head saved on some ranks goes on on others as if never stopped; it grows; its rows travel as pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.optim import Adam, Optimizer

from tests.training.gloo import Gloo
from tests.training.problem import Problem
from training.head.checkpoint import HeadMismatch, load_head, save_head
from training.head.exchange import export_pages, import_pages
from training.head.growth import append_identities
from training.head.initial import fill_rows
from training.head.pages import Pages
from training.head.pass_two_sgd import PassTwoSGD
from training.head.sharded import ShardedClassifier

PROBLEM = Problem("circle", classes=101, rows=12)


def made(
    group: Any, problem: Problem, optimizer: str = "pass two", **options: Any
) -> tuple[ShardedClassifier, Optimizer]:
    head = problem.head(group, **options)
    if optimizer == "adam":
        return head, Adam(head.parameters(), 1e-3)
    return head, PassTwoSGD(head, 0.01, momentum=0.9, weight_decay=1e-3)


def train(head: ShardedClassifier, optimizer: Optimizer, problem: Problem, steps: range) -> list[float]:
    losses = []
    for step in steps:
        x, labels = (problem.rows_of(head.ranks, whole) for whole in problem.batch(step))
        optimizer.zero_grad()
        loss = head(x, labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def train_and_save(group: Any, problem: Problem, kind: str, folder: Path) -> Tensor:
    head, optimizer = made(group, problem, kind)
    train(head, optimizer, problem, range(4))
    save_head(head, optimizer, folder)
    return head.weight.detach()


def resume(group: Any, problem: Problem, kind: str, folder: Path) -> tuple[Tensor, list[float], int]:
    head, optimizer = made(group, problem, kind)
    with torch.no_grad():
        head.weight.fill_(7.0)
    load_head(head, optimizer, folder)
    loaded, steps = head.weight.detach().clone(), head.steps
    return loaded, train(head, optimizer, problem, range(4, 8)), steps


def uninterrupted(problem: Problem, kind: str) -> list[float]:
    head, optimizer = made(None, problem, kind)
    return train(head, optimizer, problem, range(8))


@pytest.mark.parametrize("kind", ["pass two", "adam"])
@pytest.mark.parametrize("classes", [101, 5])
def test_saved_on_four_ranks_and_resumed_on_others_is_uninterrupted(
    gloo: Gloo, tmp_path: Path, classes: int, kind: str
) -> None:
    problem = Problem("circle", classes=classes, rows=12)
    folder = tmp_path / "head"
    saved = torch.cat(gloo.ask(train_and_save, problem, kind, folder, ranks=4))
    whole_run = uninterrupted(problem, kind)
    for ranks in (4, 3, 2, 1):
        answers = gloo.ask(resume, problem, kind, folder, ranks=ranks)
        assert torch.equal(torch.cat([loaded for loaded, _, _ in answers]), saved), "bit-equal rows"
        for _, losses, steps in answers:
            assert steps == 4
            assert losses == pytest.approx(whole_run[4:], rel=1e-10)
    loaded, losses, _ = resume(None, problem, kind, folder)
    assert torch.equal(loaded, saved)
    assert losses == pytest.approx(whole_run[4:], rel=1e-10)


def test_saved_alone_and_resumed_on_three_ranks(gloo: Gloo, tmp_path: Path) -> None:
    train_and_save(None, PROBLEM, "pass two", tmp_path / "head")
    for _, losses, _ in gloo.ask(resume, PROBLEM, "pass two", tmp_path / "head", ranks=3):
        assert losses == pytest.approx(uninterrupted(PROBLEM, "pass two")[4:], rel=1e-10)


@pytest.mark.parametrize(
    ("other", "says"),
    [
        (
            Problem("circle", classes=102),
            "has classes 101, this one 102; load it into a head of that many and grow",
        ),
        (Problem("circle", classes=101, dimension=20), "has dimension 19, this one 20"),
        (Problem("circle", classes=101, seed=6), "has seed 5, this one 6"),
    ],
)
def test_a_checkpoint_of_another_head_is_refused(tmp_path: Path, other: Problem, says: str) -> None:
    train_and_save(None, PROBLEM, "pass two", tmp_path / "head")
    head, optimizer = made(None, other)
    with pytest.raises(HeadMismatch, match=says):
        load_head(head, optimizer, tmp_path / "head")


def grow(group: Any, kind: str, count: int) -> tuple[range, Tensor, Tensor, Tensor, list[float]]:
    head, optimizer = made(group, PROBLEM, kind)
    parameter = head.weight
    train(head, optimizer, PROBLEM, range(3))
    before = head.weight.detach().clone()
    new = append_identities(head, optimizer, count)
    assert head.weight is parameter
    state = optimizer.state[head.weight]["exp_avg" if kind == "adam" else "momentum_buffer"]
    after, rows = head.weight.detach().clone(), state.clone()
    larger = Problem("circle", classes=PROBLEM.classes + count, rows=12)
    return new, before, after, rows, train(head, optimizer, larger, range(3, 7))


@pytest.mark.parametrize("kind", ["pass two", "adam"])
@pytest.mark.parametrize("count", [1, 60, 300])
def test_appended_identities_keep_old_rows_and_start_from_their_ids(
    gloo: Gloo, kind: str, count: int
) -> None:
    (alone,) = gloo.ask(grow, kind, count, ranks=1)
    for ranks in (3, 4):
        answers = gloo.ask(grow, kind, count, ranks=ranks)
        before, after, state = (torch.cat([answer[at] for answer in answers]) for at in (1, 2, 3))
        assert all(answer[0] == range(101, 101 + count) for answer in answers)
        assert torch.equal(after[:101], before)
        first = torch.empty(count, PROBLEM.dimension, dtype=torch.float64)
        fill_rows(first, 101, PROBLEM.seed)
        assert torch.equal(after[101:], first)
        assert (state[101:] == 0).all()
        assert (state[:101] != 0).any(1).all()
        for answer in answers:
            assert answer[4] == pytest.approx(alone[4], rel=1e-10)


def test_growing_waits_for_recorded_batches_and_needs_a_count() -> None:
    head, optimizer = made(None, PROBLEM)
    head(*PROBLEM.batch()).backward()
    with pytest.raises(RuntimeError, match="1 recorded batches wait for a step"):
        append_identities(head, optimizer, 3)
    optimizer.zero_grad()
    with pytest.raises(ValueError, match="0 were asked for"):
        append_identities(head, optimizer, 0)
    assert append_identities(head, optimizer, 3) == range(101, 104)


def export(group: Any, folder: Path, page_rows: int) -> Tensor:
    head, optimizer = made(group, PROBLEM)
    train(head, optimizer, PROBLEM, range(4))
    export_pages(head, folder, optimizer=optimizer, about={"of": "a test"}, page_rows=page_rows)
    return head.weight.detach()


def resume_from_pages(group: Any, folder: Path) -> list[float]:
    head, optimizer = made(group, PROBLEM)
    train(head, optimizer, PROBLEM, range(1))  # so that there is a momentum to be filled
    import_pages(head, folder, optimizer)
    return train(head, optimizer, PROBLEM, range(4, 8))


@pytest.mark.parametrize("page_rows", [7, 1000])
def test_rows_travel_as_pages_to_any_number_of_ranks(gloo: Gloo, tmp_path: Path, page_rows: int) -> None:
    rows = torch.cat(gloo.ask(export, tmp_path / "pages", page_rows, ranks=4))
    pages = Pages.open(tmp_path / "pages", verify=True)
    assert torch.equal(pages.read(0, 101), rows)
    assert pages.names == ("weight", "momentum_buffer")
    assert pages.about == {"seed": 5, "loss": repr(PROBLEM.of), "steps": 4, "of": "a test"}
    whole_run = uninterrupted(PROBLEM, "pass two")
    for ranks in (1, 3):
        for losses in gloo.ask(resume_from_pages, tmp_path / "pages", ranks=ranks):
            assert losses == pytest.approx(whole_run[4:], rel=1e-10)


def test_a_folder_in_use_is_refused_on_every_rank(gloo: Gloo, tmp_path: Path) -> None:
    (tmp_path / "something").touch()
    for answer in gloo.answers(export, tmp_path, 7, ranks=3):
        assert isinstance(answer, RuntimeError)
        assert "the folder could not be written by rank 0" in str(answer)
        assert "is not an empty folder" in str(answer)


def test_pages_of_another_head_are_refused(tmp_path: Path) -> None:
    export(None, tmp_path / "pages", 50)
    with pytest.raises(HeadMismatch, match="has 101 classes of 19 dimensions; this head has 102 of 19"):
        import_pages(Problem(classes=102).head(), tmp_path / "pages")
    head, optimizer = made(None, PROBLEM, "adam")
    train(head, optimizer, PROBLEM, range(1))
    with pytest.raises(HeadMismatch, match="has no tensor 'exp_avg' for the optimizer"):
        import_pages(head, tmp_path / "pages", optimizer)
