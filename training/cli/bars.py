"""Steps as bars on a terminal, or as a line now and then where there is none; decides nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from training.curation.steps import Advance, Steps

SECONDS_A_LINE = 10.0


def bars(console: Console) -> Steps:
    """Steps that are shown there."""

    @contextmanager
    def shown(step: str, total: int | None, /, done: int = 0) -> Iterator[Advance]:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task(step, total=total, completed=done, speed="")
            begun = told = monotonic()
            before = done

            def advance(more: int) -> None:
                nonlocal told, done
                done += more
                speed = f"{(done - before) / max(monotonic() - begun, 1e-3):,.0f}/s"
                progress.update(task, advance=more, speed=speed)
                if not console.is_terminal and monotonic() - told > SECONDS_A_LINE:
                    told = monotonic()
                    console.print(f"{step}: {done:,} of {total:,}, {speed}")

            yield advance

    return shown
