"""`cocircle jobs`: makes jobs, follows and changes them, shows and fetches what came of them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from serving.cli.composed import asks
from serving.cli.console import Json, out
from serving.cli.job_makers import make, maker
from serving.cli.job_place import Place, exit_status, interruptible, place
from serving.cli.job_tables import show_findings, show_items, show_job, show_jobs
from serving.job_client import arriving

JobId = Annotated[str, typer.Argument(metavar="JOB", help="Id of a job, from `cocircle jobs list`.")]
Work = Annotated[
    bool, typer.Option("--work", help="Without --url: work on jobs here meanwhile, where no service does.")
]


class _Jobs(TyperGroup):
    """The commands below, and one for each kind of job. Kinds are imported when one of them is asked for."""

    # The types of contexts and commands are click's or typer's own, by typer's version.
    def list_commands(self, ctx: Any) -> list[str]:
        from serving.jobs.registry import KINDS

        return [*super().list_commands(ctx), *sorted(KINDS)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        found = super().get_command(ctx, cmd_name)
        if found is not None:
            return found
        from serving.jobs.registry import KINDS

        kind = KINDS.get(cmd_name)
        return None if kind is None else maker(kind)


jobs_app = typer.Typer(
    cls=_Jobs,
    help="Long work on a collection: made once, done by any service or worker, resumed after anything.",
    no_args_is_help=True,
)
jobs_app.command()(make)


@jobs_app.command("list")
@asks(place)
def listing(
    found: Place,
    collection: Annotated[str | None, typer.Option("--collection", "-c", help="Only of this one.")] = None,
    state: Annotated[
        str | None, typer.Option(help="open, waiting, running, done, failed or cancelled.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Lists jobs, newest first. One JSON line a job with --json."""
    show_jobs(found.client.jobs.all(collection=collection, state=state), as_json=as_json)


@jobs_app.command()
@asks(place)
def show(
    found: Place,
    job: JobId,
    as_json: Json = False,
) -> None:
    """How far a job has come, and what came of it."""
    show_job(found.client.jobs.get(job), as_json=as_json)


@jobs_app.command()
@asks(place)
def items(
    found: Place,
    job: JobId,
    state: Annotated[str | None, typer.Option(help="waiting, done, rejected or failed.")] = None,
    as_json: Json = False,
) -> None:
    """What became of each item of a job. One JSON line an item with --json."""
    show_items(found.client.jobs.items(job, state=state), as_json=as_json)


@jobs_app.command()
@asks(place)
def findings(
    found: Place,
    job: JobId,
    as_json: Json = False,
) -> None:
    """What a job found, a JSON line each, with or without --json."""
    show_findings(found.client.jobs.findings(job))


@jobs_app.command()
@asks(place)
def watch(
    found: Place,
    job: JobId,
    work: Work = False,
    as_json: Json = False,
) -> None:
    """Follows a job to its end. Exit status 0 when it is done, 1 when it failed or was cancelled."""
    with interruptible(job):
        ended = found.follow(job, work=work)
    show_job(ended, as_json=as_json)
    raise typer.Exit(exit_status(ended))


@jobs_app.command()
@asks(place)
def start(
    found: Place,
    job: JobId,
    as_json: Json = False,
) -> None:
    """Says that nothing more is uploaded to an open job: it ends when its items are done."""
    show_job(found.client.jobs.start(job), as_json=as_json)


@jobs_app.command()
@asks(place)
def cancel(
    found: Place,
    job: JobId,
    as_json: Json = False,
) -> None:
    """Ends a job now. What is done stays done; `resume` goes on with it."""
    show_job(found.client.jobs.cancel(job), as_json=as_json)


@jobs_app.command()
@asks(place)
def resume(
    found: Place,
    job: JobId,
    work: Work = False,
    as_json: Json = False,
) -> None:
    """Goes on with a job that was cancelled or failed, and tries its failed items again, never rejected ones.

    With --work it is also followed to its end.
    """
    changed = found.client.jobs.resume(job)
    if work:
        with interruptible(job):
            changed = found.follow(job, work=True)
    show_job(changed, as_json=as_json)
    raise typer.Exit(exit_status(changed))


@jobs_app.command()
@asks(place)
def delete(found: Place, job: JobId) -> None:
    """Deletes the record of a job that ended, and the file it made. What it did to the gallery stays."""
    found.client.jobs.delete(job)


@jobs_app.command()
@asks(place)
def download(
    found: Place,
    job: JobId,
    target: Annotated[Path, typer.Argument(help="File to write; readable by you alone.")],
) -> None:
    """Fetches the file that a job made, and checks its SHA-256."""
    size = _fetch(found, job, target)
    out.print(f"{size:,} bytes written to {target}", soft_wrap=True)


def _fetch(found: Place, job: str, target: Path) -> int:
    if found.local is not None:
        from serving.jobs.results import result_file

        service = found.local.service
        path = result_file(service.settings, service.gallery.jobs.get(job))
        if path is not None:
            with path.open("rb") as source, arriving(target) as file:
                shutil.copyfileobj(source, file)
                return file.tell()
    return found.client.jobs.download(job, target)
