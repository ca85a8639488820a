"""Commands that ask and store nothing: verify, identify, detect."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from pydantic import BaseModel
from rich.table import Table

from serving.cli.composed import asks
from serving.cli.console import (
    EXIT_ERROR,
    EXIT_NO,
    Json,
    client,
    err,
    odds,
    out,
    print_json,
)
from serving.client import ApiFailure, Client
from serving.schemas import DetectOut, IdentifyOut

Found = TypeVar("Found", bound=BaseModel)

Threshold = Annotated[float | None, typer.Option(help="Least cosine to accept, in place of --max-fmr.")]
MaxFmr = Annotated[float | None, typer.Option("--max-fmr", help="Largest false match rate to accept.")]
Photos = Annotated[list[Path], typer.Argument(help="Photos: JPEG, PNG, WebP, BMP or PGM.")]


@asks(client)
def verify(
    service: Client,
    photo_a: Annotated[Path, typer.Argument(metavar="A", help="A photo.")],
    photo_b: Annotated[Path, typer.Argument(metavar="B", help="Another photo.")],
    threshold: Threshold = None,
    max_fmr: MaxFmr = None,
    as_json: Json = False,
) -> None:
    """Do two photos show one person? Exit status 0 for yes, 1 for no, 2 for an error."""
    answer = service.verify(photo_a, photo_b, threshold=threshold, max_fmr=max_fmr)
    if as_json:
        print_json(answer)
    else:
        out.print("[green]same person[/green]" if answer.match else "[yellow]not the same person[/yellow]")
        out.print(f"cosine {answer.cosine:.3f}, accepted from {answer.threshold:.3f}")
        out.print(odds(answer.false_match_rate, answer.extrapolated))
    raise typer.Exit(0 if answer.match else EXIT_NO)


@asks(client)
def identify(
    service: Client,
    photos: Photos,
    collection: Annotated[str, typer.Option("--collection", "-c", help="Whom to look among.")],
    faces: Annotated[str, typer.Option(help="largest, or all faces of each photo.")] = "largest",
    limit: Annotated[int, typer.Option(help="Most candidates a face.")] = 5,
    threshold: Threshold = None,
    max_fmr: MaxFmr = None,
    as_json: Json = False,
) -> None:
    """Who is on each photo? One JSON line a photo with --json."""
    table = Table("photo", "face", "person", "cosine", "how sure", box=None, header_style="dim")

    def ask(photo: Path) -> IdentifyOut:
        return service.identify(
            collection, photo, faces=faces, limit=limit, threshold=threshold, max_fmr=max_fmr
        )

    answered = _ask_each(photos, ask, None if as_json else partial(_add_candidates, table))
    if not as_json:
        out.print(table)
    if not answered:
        raise typer.Exit(EXIT_ERROR)


@asks(client)
def detect(
    service: Client,
    photos: Photos,
    as_json: Json = False,
) -> None:
    """Faces, landmarks and quality of each photo. One JSON line a photo with --json."""
    table = Table("photo", "box", "score", "quality", "yaw", "reasons", box=None, header_style="dim")
    answered = _ask_each(photos, service.detect, None if as_json else partial(_add_faces, table))
    if not as_json:
        out.print(table)
    if not answered:
        raise typer.Exit(EXIT_ERROR)


def _ask_each(
    photos: list[Path], ask: Callable[[Path], Found], show: Callable[[Path, Found], None] | None
) -> bool:
    """One answer a photo, shown or as a line of JSON; a refused photo is told and the others go on.

    False when a photo was refused. A collection that is not there ends it: no photo would fare better.
    """
    answered = True
    for photo in photos:
        try:
            answer = ask(photo)
        except ApiFailure as failure:
            if failure.code == "unknown_collection":
                raise
            answered = False
            err.print(f"{photo}: {failure} ({failure.code})", soft_wrap=True)
            continue
        if show is not None:
            show(photo, answer)
        else:
            name = json.dumps(str(photo))
            sys.stdout.write(f'{{"photo": {name}, "answer": {answer.model_dump_json()}}}\n')
    return answered


def _add_faces(table: Table, photo: Path, answer: DetectOut) -> None:
    if not answer.faces:
        table.add_row(str(photo), "no face")
    for face in answer.faces:
        box = face.box
        table.add_row(
            str(photo),
            f"{box.left:.0f},{box.top:.0f} {box.width:.0f}x{box.height:.0f}",
            f"{face.score:.2f}",
            f"{face.quality.score:.2f}",
            f"{face.quality.yaw:+.0f}°",
            ", ".join(face.reasons) or "-",
        )


def _add_candidates(table: Table, photo: Path, answer: IdentifyOut) -> None:
    if not answer.faces:
        table.add_row(str(photo), "-", "no face")
    for at, found in enumerate(answer.faces, 1):
        if not found.candidates:
            table.add_row(str(photo), str(at), "[yellow]unknown[/yellow]")
        for candidate in found.candidates:
            table.add_row(
                str(photo),
                str(at),
                candidate.name or candidate.person_id,
                f"{candidate.cosine:.3f}",
                odds(candidate.false_match_rate, candidate.extrapolated),
            )
