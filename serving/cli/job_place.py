"""Where the jobs of a command are: in a service elsewhere, or in a data folder opened here; follows one to its end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from serving.cli.console import EXIT_NO, err
from serving.client import ApiFailure, Client
from serving.job_schemas import JobOut
from serving.settings import read_settings

if TYPE_CHECKING:
    from serving.local import Local

LOOK_SECONDS = 0.5
EXIT_INTERRUPTED = 130


@dataclass(frozen=True)
class Place:
    """client: asks for jobs. local: the opened data folder, None where a service elsewhere has it."""

    client: Client
    local: Local | None

    def make(self, kind: str, collection: str | None, options: dict[str, Any]) -> JobOut:
        """A new job; here it may name files of this machine. Raises ApiFailure and GalleryError."""
        if self.local is None:
            return self.client.jobs.create(kind, collection, options)
        from serving.job_answers import job_out
        from serving.jobs.making import new_job

        service = self.local.service
        with refusals_as_failures():
            new = new_job(service, kind, collection, options, "local", local=True)
        return job_out(service.gallery.jobs.create(new))

    def follow(self, job: str, *, work: bool) -> JobOut:
        """Shows how the job goes until it ends. work: this process does it, together with whoever else does."""
        working = self.local.working() if work and self.local is not None else nullcontext()
        with working, _progress() as bar:
            task = bar.add_task("waiting", total=None, trouble="", rate="")
            while True:
                found = self.client.jobs.get(job)
                bar.update(
                    task,
                    description=found.state.value if found.listed or found.ended_at else "listing",
                    completed=found.done + found.rejected + found.failed,
                    total=found.items,
                    trouble=_trouble(found),
                    rate=_rate(found),
                )
                if found.ended_at is not None:
                    return found
                time.sleep(LOOK_SECONDS)


@contextmanager
def place(url: str | None, key: str | None, home: Path | None, pack: str | None) -> Iterator[Place]:
    """The service at `url`, or the data folder of this machine, opened in this process."""
    if url is not None:
        with Client(url, key) as remote:
            yield Place(remote, None)
        return
    from serving.local import open_local

    with open_local(read_settings(home=home, pack=pack)) as local:
        yield Place(local.client, local)


@contextmanager
def refusals_as_failures() -> Iterator[None]:
    """Refusals of the service's own code as those of its client, which commands tell."""
    from serving.errors import ApiError

    try:
        yield
    except ApiError as error:
        raise ApiFailure(error.status, error.code, error.message, error.details, None) from None


@contextmanager
def interruptible(job: str) -> Iterator[None]:
    """Ctrl-C leaves a job as it is, and says how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        err.print(
            f"job {job} is left as it is: a service or `cocircle worker` on the data folder goes on with it,\n"
            f"`cocircle jobs watch {job} --work` does so here, `cocircle jobs cancel {job}` ends it",
            soft_wrap=True,
        )
        raise typer.Exit(EXIT_INTERRUPTED) from None


def exit_status(job: JobOut) -> int:
    """0 unless the job failed or was cancelled."""
    return EXIT_NO if job.state in ("failed", "cancelled") else 0


def _progress() -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[trouble]}", style="yellow"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=err, transient=True, disable=not err.is_terminal)


def _trouble(job: JobOut) -> str:
    counts = (("rejected", job.rejected), ("failed", job.failed))
    return ", ".join(f"{count} {word}" for word, count in counts if count)


def _rate(job: JobOut) -> str:
    return "" if job.items_per_second is None else f"{job.items_per_second:.1f}/s"
