"""What every command shares: where the service is, how errors are told, JSON or words. No command of its own."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import httpx
import typer
from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from faces.image import ImageError
from faces.manifest import PackError
from faces.session import ProviderUnavailable
from index.errors import GalleryError
from serving.client import ApiFailure, Client
from serving.job_client import DamagedDownload
from serving.settings import SettingsError, read_settings

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

EXIT_NO = 1
EXIT_ERROR = 2

Url = Annotated[
    str | None,
    typer.Option(help="Ask the service at this address in place of opening the gallery here.", metavar="URL"),
]
ApiKey = Annotated[
    str | None,
    typer.Option(help="API key for --url.", envvar="COCIRCLE_KEY", metavar="KEY", show_envvar=True),
]
Home = Annotated[
    Path | None,
    typer.Option(help="Data folder, without --url.", show_default="COCIRCLE_HOME or ~/.local/share/cocircle"),
]
Pack = Annotated[str | None, typer.Option(help="Model pack, without --url: a name or a folder.")]
AlsoPack = Annotated[
    list[str] | None,
    typer.Option(
        help="A pack served beside it, for collections of its contract. Repeat for more.",
        metavar="PACK",
        show_default="COCIRCLE_PACKS or none",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document in place of words.")]

EXPECTED = (
    ApiFailure,
    DamagedDownload,
    GalleryError,
    ImageError,
    PackError,
    ProviderUnavailable,
    SettingsError,
    FileNotFoundError,
    IsADirectoryError,
    PermissionError,
)


@contextmanager
def client(url: str | None, key: str | None, home: Path | None, pack: str | None) -> Iterator[Client]:
    """A client of the service at `url`, or of one opened in this process."""
    if url is not None:
        with Client(url, key) as remote:
            yield remote
        return
    from serving.local import local_client

    with local_client(read_settings(home=home, pack=pack)) as local:
        yield local


@contextmanager
def told_errors() -> Iterator[None]:
    """Turns an error that a user can act on into its sentence and exit status 2."""
    try:
        yield
    except EXPECTED as error:
        tell_error(_words(error))
        raise typer.Exit(EXIT_ERROR) from None
    except httpx.TransportError as error:
        tell_error(f"the service did not answer: {error}")
        raise typer.Exit(EXIT_ERROR) from None


def tell_error(words: str) -> None:
    """One sentence on standard error; brackets in it are brackets."""
    err.print(f"[red]error:[/red] {escape(words)}", soft_wrap=True)


def print_json(answer: BaseModel) -> None:
    """An answer as JSON on standard output."""
    sys.stdout.write(answer.model_dump_json(indent=2) + "\n")


def odds(rate: float | None, extrapolated: bool = False) -> str:
    """A false match rate in words a person can weigh."""
    if rate is None:
        return "rate unknown: the pack has no calibration"
    if rate > 0.5:
        return "most strangers score this high"
    if extrapolated:
        # A number would claim what nobody measured.
        return "strangers this alike are rarer than the calibration could count"
    return f"1 in {1 / rate:,.0f} strangers scores this high"


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f} photos/s" if task.speed else "")


def photo_progress() -> Progress:
    """A bar on standard error: done, of how many, photos a second, time left."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=err, transient=True, disable=not err.is_terminal)


def _words(error: Exception) -> str:
    if isinstance(error, ApiFailure):
        return f"{error} ({error.code})"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)
