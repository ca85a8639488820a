"""Commands that ask and store nothing: verify, identify, detect."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from serving.cli.console import (
    EXIT_ERROR,
    EXIT_NO,
    ApiKey,
    Home,
    Json,
    Pack,
    Url,
    client,
    err,
    odds,
    out,
    print_json,
)
from serving.cli.console import told_errors as told
from serving.client import ApiFailure, Client
from serving.schemas import DetectOut, IdentifyOut

Threshold = Annotated[float | None, typer.Option(help="Least cosine to accept, in place of --max-fmr.")]
MaxFmr = Annotated[float | None, typer.Option("--max-fmr", help="Largest false match rate to accept.")]
Photos = Annotated[list[Path], typer.Argument(help="Photos: JPEG, PNG, WebP, BMP or PGM.")]


def verify(
    photo_a: Annotated[Path, typer.Argument(metavar="A", help="A photo.")],
    photo_b: Annotated[Path, typer.Argument(metavar="B", help="Another photo.")],
    threshold: Threshold = None,
    max_fmr: MaxFmr = None,
    url: Url = None,
    key: ApiKey = None,
    home: Home = None,
    pack: Pack = None,
    as_json: Json = False,
) -> None:
    """Do two photos show one person? Exit status 0 for yes, 1 for no, 2 for an error."""
    with told(), client(url, key, home, pack) as service:
        answer = service.verify(photo_a, photo_b, threshold=threshold, max_fmr=max_fmr)
    if as_json:
        print_json(answer)
    else:
        out.print("[green]same person[/green]" if answer.match else "[yellow]not the same person[/yellow]")
        out.print(f"cosine {answer.cosine:.3f}, accepted from {answer.threshold:.3f}")
        out.print(odds(answer.false_match_rate, answer.extrapolated))
    raise typer.Exit(0 if answer.match else EXIT_NO)


def identify(
    photos: Photos,
    collection: Annotated[str, typer.Option("--collection", "-c", help="Whom to look among.")],
    faces: Annotated[str, typer.Option(help="largest, or all faces of each photo.")] = "largest",
    limit: Annotated[int, typer.Option(help="Most candidates a face.")] = 5,
    threshold: Threshold = None,
    max_fmr: MaxFmr = None,
    url: Url = None,
    key: ApiKey = None,
    home: Home = None,
    pack: Pack = None,
    as_json: Json = False,
) -> None:
    """Who is on each photo? One JSON line a photo with --json."""
    failed = False
    table = Table("photo", "face", "person", "cosine", "how sure", box=None, header_style="dim")
    with told(), client(url, key, home, pack) as service:
        for photo in photos:
            try:
                answer = service.identify(
                    collection, photo, faces=faces, limit=limit, threshold=threshold, max_fmr=max_fmr
                )
            except ApiFailure as failure:
                if failure.code == "unknown_collection":
                    raise
                failed = True
                err.print(f"{photo}: {failure} ({failure.code})", soft_wrap=True)
                continue
            if as_json:
                sys.stdout.write(f'{{"photo": {_quoted(photo)}, "answer": {answer.model_dump_json()}}}\n')
            else:
                _add_rows(table, photo, answer)
    if not as_json:
        out.print(table)
    if failed:
        raise typer.Exit(EXIT_ERROR)


def detect(
    photos: Photos,
    url: Url = None,
    key: ApiKey = None,
    home: Home = None,
    pack: Pack = None,
    as_json: Json = False,
) -> None:
    """Faces, landmarks and quality of each photo. One JSON line a photo with --json."""
    failed = False
    table = Table("photo", "box", "score", "quality", "yaw", "reasons", box=None, header_style="dim")
    with told(), client(url, key, home, pack) as service:
        for photo in photos:
            answer = _detect(service, photo)
            if answer is None:
                failed = True
            elif as_json:
                sys.stdout.write(f'{{"photo": {_quoted(photo)}, "answer": {answer.model_dump_json()}}}\n')
            elif not answer.faces:
                table.add_row(str(photo), "no face")
            else:
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
    if not as_json:
        out.print(table)
    if failed:
        raise typer.Exit(EXIT_ERROR)


def _detect(service: Client, photo: Path) -> DetectOut | None:
    try:
        return service.detect(photo)
    except ApiFailure as failure:
        err.print(f"{photo}: {failure} ({failure.code})", soft_wrap=True)
        return None


def _add_rows(table: Table, photo: Path, answer: IdentifyOut) -> None:
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


def _quoted(photo: Path) -> str:
    import json

    return json.dumps(str(photo))
