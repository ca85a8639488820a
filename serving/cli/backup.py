"""`cocircle backup`: takes a backup of a data folder or database while services run, checks one, restores one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from index.backup.parts import BadBackup, Checked, Header, check
from index.backup.restore import NotEmpty
from serving import backup
from serving.cli.console import EXIT_ERROR, Home, err, tell_error, told_errors
from serving.settings import read_settings

backup_app = typer.Typer(
    help="Everything of a service in one file, and back; docs/backup.md.", no_args_is_help=True
)

STANDARD = "-"
Source = Annotated[str, typer.Argument(metavar="FILE", help="A backup; - reads standard input.")]


@backup_app.command()
def make(
    target: Annotated[
        str,
        typer.Argument(
            metavar="FILE|FOLDER", help="A new file, or where it gets a name; - writes standard output."
        ),
    ],
    secrets: Annotated[
        bool,
        typer.Option(
            "--secrets/--without-secrets",
            help="Whether audit.salt, cursor.secret, rekognition.secret go along.",
        ),
    ] = True,
    home: Home = None,
) -> None:
    """Writes one moment of the data into one file; services go on meanwhile.

    It holds templates of faces: whoever has it has the gallery.
    """
    with _told(), _rows("backing up") as progress:
        settings = read_settings(home=home)
        if target == STANDARD:
            if sys.stdout.isatty():
                raise BadBackup("a backup is not for a terminal; send it into a file or another program")
            header = backup.back_up_to(settings, sys.stdout.buffer, progress, with_secrets=secrets)
            sys.stdout.buffer.flush()
            told = "standard output"
        else:
            written = backup.back_up(settings, Path(target), progress, with_secrets=secrets)
            header, told = written.header, f"{written.path} ({written.bytes:,} bytes)"
    err.print(f"{told}: {_held(header)}", soft_wrap=True, markup=False)


@backup_app.command()
def verify(source: Source, home: Home = None) -> None:
    """Checks every byte of a backup and says what is in it; writes nothing."""
    with _told(), _opened(source, home) as file:
        checked = check(file)
    sys.stdout.write(f"whole: {_held(checked.header)}\n")


@backup_app.command()
def restore(source: Source, home: Home = None) -> None:
    """Puts a backup into an empty data folder, or the empty database of COCIRCLE_DATABASE.

    The file is checked first, and written in one transaction. Start the service afterwards.
    """
    with _told(), _opened(source, home) as file, _rows("restoring") as progress:
        checked: Checked = backup.restore_from(read_settings(home=home), file, progress)
    sys.stdout.write(f"restored: {_held(checked.header)}\n")


@contextmanager
def _told() -> Iterator[None]:
    with told_errors():
        try:
            yield
        except (BadBackup, NotEmpty) as error:
            tell_error(str(error))
            raise typer.Exit(EXIT_ERROR) from None
        except OSError as error:
            tell_error(f"{error.filename or 'the backup'}: {error.strerror}")
            raise typer.Exit(EXIT_ERROR) from None


@contextmanager
def _opened(source: str, home: Path | None) -> Iterator[BinaryIO]:
    if source == STANDARD:
        with backup.spooled(read_settings(home=home), sys.stdin.buffer) as file:
            yield file
    else:
        with Path(source).open("rb") as file:
            yield file


def _held(header: Header) -> str:
    tables = header.tables
    counts = ", ".join(f"{tables[name].rows:,} {name}" for name in ("collections", "persons", "faces"))
    files = ", ".join(name.rpartition("/")[2] for name in header.files) or "no secrets"
    contracts = ", ".join(header.contracts) or "none"
    return (
        f"{counts} at revision {header.revision} of {header.made_at}; {files}; model contracts: {contracts}"
    )


@contextmanager
def _rows(what: str) -> Iterator[backup.Progress]:
    rows = TextColumn("{task.completed:,} rows")
    columns = (TextColumn("{task.description}"), BarColumn(), rows, TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)
