"""The `cocircle` command: each file beside this one holds the commands of one subject."""

from __future__ import annotations

from importlib.metadata import entry_points, version
from typing import Annotated

import typer

from serving.cli.ask import detect, identify, verify
from serving.cli.demo import demo
from serving.cli.enroll import enroll
from serving.cli.jobs import jobs_app
from serving.cli.later import later
from serving.cli.models import models_app
from serving.cli.serve import serve
from serving.cli.worker import worker

app = typer.Typer(
    help="Face recognition in one house: enrol, verify, identify, serve, evaluate.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for command in (serve, worker, enroll, identify, verify, detect, demo):
    app.command()(command)
EVALUATE = "Measure a model pack, or anybody's embeddings, by a public protocol or on data of your own."
KEYS = "API keys of the service on this machine."
AUDIT = "What was done, to whom, by which key; docs/security.md."
BACKUP = "Everything of a service in one file, and back; docs/backup.md."

app.add_typer(later("serving.cli.evaluate", "evaluate_app", EVALUATE), name="evaluate")
app.add_typer(models_app, name="models")
app.add_typer(later("serving.cli.keys", "keys_app", KEYS), name="keys")
app.add_typer(later("serving.cli.audit", "audit_app", AUDIT), name="audit")
app.add_typer(later("serving.cli.backup", "backup_app", BACKUP), name="backup")
app.add_typer(jobs_app, name="jobs")
for entry in sorted(entry_points(group="cocircle.commands"), key=lambda entry: entry.name):
    found = entry.load()
    if isinstance(found, typer.Typer):
        app.add_typer(found, name=entry.name)
    else:
        app.command(entry.name)(found)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"cocircle {version('cocircle')}")
        raise typer.Exit


@app.callback()
def _root(
    _: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Entry point of the `cocircle` command."""
    app()
