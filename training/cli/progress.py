"""A run's bar on the terminal, or a line now and then where there is no terminal; decides nothing."""

from __future__ import annotations

from time import monotonic
from types import TracebackType

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from training.cli.bars import SECONDS_A_LINE
from training.cli.console import err
from training.plan import Plan
from training.watch import Stepped, Watch


class Bar(Watch):
    """Shows steps, loss, images a second and the time left, on standard error."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("step"),
            MofNCompleteColumn(),
            BarColumn(),
            TextColumn("loss {task.fields[loss]} | {task.fields[speed]} images/s"),
            TimeRemainingColumn(),
            console=err,
            transient=True,
            disable=not err.is_terminal,
        )
        self._task, self._steps, self._told = (
            self._progress.add_task("", total=None, loss="-", speed="-"),
            0,
            0.0,
        )

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def said(self, text: str) -> None:
        """See Watch."""
        err.print(text, soft_wrap=True)

    def began(self, plan: Plan, first_step: int) -> None:
        """See Watch."""
        self._steps = plan.steps
        self._progress.update(self._task, total=plan.steps, completed=first_step)
        self.said(
            f"{plan.images:,} images of {plan.classes:,} identities; steps {first_step} to {plan.steps}, "
            f"{plan.batch} images each"
        )

    def stepped(self, step: Stepped) -> None:
        """See Watch."""
        loss, speed = f"{step.loss:.4g}", f"{step.images_per_second:,.0f}"
        self._progress.update(self._task, completed=step.step + 1, loss=loss, speed=speed)
        last = step.step + 1 == self._steps
        if not err.is_terminal and (last or monotonic() - self._told > SECONDS_A_LINE):
            self._told = monotonic()
            skipped = f", {step.skipped} steps skipped" if step.skipped else ""
            self.said(f"step {step.step + 1}/{self._steps}: loss {loss}, {speed} images/s{skipped}")

    def validated(self, step: int, name: str, accuracy: float) -> None:
        """See Watch."""
        self.said(f"step {step + 1}: {name} {100 * accuracy:.2f} %")
