"""The COCO paper's small table, pair by pair of loss and seed: does what is missing, and nothing twice."""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from training.reproduce.contestants import Contestant, contestant
from training.reproduce.errors import ReproductionError
from training.reproduce.features import feature_picture
from training.reproduce.fit import Fitted, fit
from training.reproduce.images import CLASSES, Images
from training.reproduce.recipe import Recipe
from training.reproduce.results import Result, append, read, versions


@dataclass(frozen=True)
class Task:
    """A pair to do."""

    loss: str
    seed: int


class SmallTable:
    """The pairs of one data set and recipe in one folder; where embeddings have two dimensions, with their pictures."""

    def __init__(
        self, images: Images, recipe: Recipe, folder: Path, names: Sequence[str], seeds: int
    ) -> None:
        """names: of the rows wanted. seeds: how many, 0 first. ReproductionError names an unknown loss."""
        self.images, self.recipe, self.folder, self.seeds = images, recipe, folder, seeds
        self.contestants: list[Contestant] = [contestant(name) for name in dict.fromkeys(names)]
        self._data = {"name": images.name, "digest": images.digest()}

    def settings(self, of: Contestant) -> dict[str, Any]:
        """All that decides the row's outcome beside the seed and the versions."""
        own = of.own(CLASSES, self.recipe.dimension)
        return {"data": self._data, **self.recipe.settings(), "loss": own}

    def finished(self) -> list[Result]:
        """The wanted pairs that are done by these very settings, each once, with their pictures where they have one."""
        wanted = {one.name: self.settings(one) for one in self.contestants}
        found = {
            (result.loss, result.seed): result
            for result in read(self.folder)
            if result.settings == wanted.get(result.loss) and result.seed < self.seeds
        }
        return [result for pair, result in found.items() if not self.drawn or self.picture(*pair).exists()]

    @property
    def drawn(self) -> bool:
        """Whether the test features of each pair become a picture."""
        return self.recipe.dimension == 2

    def picture(self, loss: str, seed: int) -> Path:
        """Where it lies."""
        return self.folder / f"features-{loss}-{seed}.svg"

    def missing(self) -> list[Task]:
        """By seed, so that a table that was interrupted has all its rows by the same seeds."""
        done = {(result.loss, result.seed) for result in self.finished()}
        every = [Task(one.name, seed) for seed in range(self.seeds) for one in self.contestants]
        return [task for task in every if (task.loss, task.seed) not in done]

    def remarks(self) -> list[str]:
        """What a reader of the table has to know, a sentence or three each."""
        recipe, train = self.recipe, len(self.images.train.labels)
        stages = "-".join(str(channels) for channels in recipe.channels)
        said = [
            f"One network and one schedule for all rows: {recipe.depth} convolutions at {stages} channels, "
            f"{recipe.dimension} dimensions; {recipe.epochs} passes over {train:,} images without augmentation, "
            f"random batches of {recipe.batch}, SGD at {recipe.rate:g} with a cosine, computed in bfloat16. "
            "Nothing was chosen by the test images.",
            "By class means: the class whose mean of unit training embeddings is nearest in angle; it is the only "
            "classifier that the triplet loss has. A random batch holds several images of each of ten classes, so "
            "the triplet rows take the same batches as the others. ± is the deviation over seeds.",
        ]
        more = (_by_chance(self.finished()), self.images.remark, recipe.said)
        return [*said, *(text for text in more if text)]

    def do(self, processes: int, device: str) -> Iterator[Result]:
        """The missing pairs as they end, written down before they are given.

        processes: pairs at a time, each by one thread; more than one have processes of their own. On small networks
        that is faster than one pair by all cores, and gives the same bits on any number of them. A pair that fails
        does not keep the others from ending; its error is raised after them. ReproductionError where a process was
        ended from outside.
        """
        tasks = self.missing()
        at_a_time = min(processes, len(tasks))
        failed: BaseException | None = None
        with ExitStack() as stack:
            ending = _side_by_side if at_a_time > 1 else _in_turn
            given = _Given(self.images, self.recipe, torch.device(device))
            for task, future in ending(given, tasks, at_a_time, stack):
                failed = failed or future.exception()
                if future.exception() is None:
                    yield self._kept(task, future.result())
        if isinstance(failed, BrokenProcessPool):
            raise ReproductionError(
                "a process that trained was ended from outside, as happens when memory runs out; "
                "the same command with fewer --processes does what is missing"
            ) from failed
        if failed is not None:
            raise failed

    def _kept(self, task: Task, fitted: Fitted) -> Result:
        def share(wrong: int) -> float:
            return round(100.0 * wrong / fitted.tested, 6)

        result = Result(
            loss=task.loss,
            seed=task.seed,
            error=None if fitted.wrong is None else share(fitted.wrong),
            error_by_means=share(fitted.wrong_by_means),
            wrong=fitted.wrong,
            wrong_by_means=fitted.wrong_by_means,
            tested=fitted.tested,
            seconds=round(fitted.seconds, 1),
            losses=fitted.losses,
            skipped=fitted.skipped,
            settings=self.settings(contestant(task.loss)),
            versions=versions(),
        )
        if self.drawn:
            wrong = result.error_by_means if result.error is None else result.error
            title = f"{task.loss}: test features in two dimensions, {wrong:.2f} % wrong"
            self.folder.mkdir(parents=True, exist_ok=True)
            self.picture(task.loss, task.seed).write_text(
                feature_picture(title, fitted.embeddings, self.images.test.labels), "utf-8"
            )
        append(self.folder, result)
        return result


def _by_chance(results: Sequence[Result]) -> str:
    """How far a single figure lies from what more test images would show: the binomial's standard error."""
    if not results:
        return ""
    best = min(results, key=lambda result: result.error_by_means)
    share = best.error_by_means / 100.0
    error = 100.0 * math.sqrt(share * (1.0 - share) / best.tested)
    return (
        f"Of {best.tested:,} test images, an error of {best.error_by_means:.2f} % is known to ± {error:.2f} (one "
        "standard error): smaller differences between rows say nothing, here and in the paper."
    )


@dataclass(frozen=True)
class _Given:
    """What every pair has in common."""

    images: Images
    recipe: Recipe
    device: torch.device

    def fit(self, task: Task) -> Fitted:
        return fit(self.images, self.recipe, contestant(task.loss), task.seed, self.device)


Ending = Iterator[tuple[Task, Future[Fitted]]]


def _in_turn(given: _Given, tasks: Sequence[Task], _: int, stack: ExitStack) -> Ending:
    """In this process, which has its threads back at the end."""
    stack.callback(torch.set_num_threads, torch.get_num_threads())
    torch.set_num_threads(1)
    for task in tasks:
        future: Future[Fitted] = Future()
        try:
            future.set_result(given.fit(task))
        except ReproductionError as error:
            future.set_exception(error)
        yield task, future


def _side_by_side(given: _Given, tasks: Sequence[Task], processes: int, stack: ExitStack) -> Ending:
    """Each in one of several processes, in the order in which they end."""
    spawning = multiprocessing.get_context("spawn")
    pool = stack.enter_context(ProcessPoolExecutor(processes, spawning, _begin, (given,)))
    stack.callback(pool.shutdown, wait=True, cancel_futures=True)
    waiting = {pool.submit(_one, task): task for task in tasks}
    for future in as_completed(waiting):
        yield waiting[future], future


_here: list[_Given] = []
"""What a process of the pool works on, sent to it once."""


def _begin(given: _Given) -> None:
    torch.set_num_threads(1)
    _here.append(given)


def _one(task: Task) -> Fitted:
    return _here[0].fit(task)
