"""`cocircle models`: list, show, add, pull and verify model packs. The work itself is done in faces/."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from faces.manifest import DetectorSpec, Manifest
from faces.pack import MissingFileError, ModelPack, PackError, PackState, add_pack, list_packs, verify_pack
from faces.pack_pull import pull_pack

models_app = typer.Typer(help="Model packs: what turns photos into templates.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@models_app.command("list")
def list_(as_json: AsJson = False) -> None:
    """Every pack that can be named, and what stands in its way."""
    states = list_packs()
    if as_json:
        _print_json([_described(state.manifest, state) for state in states])
        return
    table = Table("name", "version", "dimension")
    table.add_column("contract", overflow="fold", min_width=26)
    table.add_column("state")
    for state in states:
        manifest = state.manifest
        table.add_row(
            manifest.name,
            manifest.version,
            str(manifest.embedder.dimension),
            manifest.contract_id,
            _state(state),
        )
    Console().print(table)


@models_app.command()
def show(name: str, as_json: AsJson = False) -> None:
    """Everything a pack says of itself."""
    state = next((state for state in list_packs() if state.manifest.name == name), None)
    if state is None:
        _fail(PackError(f"no model pack is called {name!r}; see: cocircle models list"))
    described = _described(state.manifest, state)
    if as_json:
        _print_json(described)
        return
    table = Table("", name, show_lines=False)
    for key, value in described.items():
        for inner, text in value.items() if isinstance(value, dict) else (("", value),):
            table.add_row(f"{key} {inner}".strip(), "-" if text is None else str(text))
    Console().print(table)


@models_app.command()
def add(folder: Annotated[Path, typer.Argument(help="With a model.toml and its ONNX files.")]) -> None:
    """Check a pack and copy it to the installed ones."""
    try:
        _added(add_pack(folder))
    except PackError as error:
        _fail(error)


@models_app.command()
def pull(
    url: Annotated[str, typer.Argument(help="https, a .tar or .zip of a pack.")],
    sha256: Annotated[str, typer.Option(help="Of the download; checked before anything is unpacked.")],
    allow_http: Annotated[
        bool, typer.Option("--allow-http", help="For a server of your own network.")
    ] = False,
) -> None:
    """Download a pack, check it and add it."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=Console(stderr=True)) as bar:
            task = bar.add_task("pulling", total=None)
            pack = pull_pack(
                url,
                sha256,
                allow_http=allow_http,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
        _added(pack)
    except PackError as error:
        _fail(error)


@models_app.command()
def verify(
    name: Annotated[str | None, typer.Argument(help="All packs whose files are here where left out.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check the SHA-256 of every file. Exit code 1 where one is wrong."""
    # A built-in pack whose file was never fetched is no fault, unless somebody asks for it by name.
    waiting = (
        state.manifest.name for state in list_packs() if not isinstance(state.problem, MissingFileError)
    )
    names = [name] if name else list(waiting)
    problems: dict[str, str | None] = {}
    for one in names:
        try:
            verify_pack(one)
            problems[one] = None
        except PackError as error:
            problems[one] = str(error)
    if as_json:
        _print_json([{"name": one, "ok": text is None, "problem": text} for one, text in problems.items()])
    else:
        console = Console()
        for one, text in problems.items():
            console.print(one, "ok" if text is None else text, markup=False, highlight=False, soft_wrap=True)
    if any(problems.values()):
        raise typer.Exit(1)


def _state(state: PackState) -> str:
    if state.problem is None:
        return "[green]ready[/green]"
    missing = isinstance(state.problem, MissingFileError)
    return "[yellow]file to fetch[/yellow]" if missing else "[red]damaged[/red]"


def _described(manifest: Manifest, state: PackState) -> dict[str, Any]:
    detector, embedder, calibration = manifest.detector, manifest.embedder, manifest.calibration
    return {
        "name": manifest.name,
        "version": manifest.version,
        "description": manifest.description,
        "licence": manifest.licence,
        "contract_id": manifest.contract_id,
        "folder": str(state.folder),
        "ready": state.problem is None,
        "problem": None if state.problem is None else str(state.problem),
        "detector": {
            "kind": detector.kind,
            "file": detector.model.file,
            "sha256": detector.model.sha256,
            "input": detector.input,
            "licence": detector.model.licence,
            "origin": detector.model.origin,
        }
        if isinstance(detector, DetectorSpec)
        else {"pack": detector},
        "embedder": {
            "name": embedder.name,
            "file": embedder.model.file,
            "sha256": embedder.model.sha256,
            "input": embedder.input,
            "channels": embedder.normalisation.channels,
            "dimension": embedder.dimension,
            "flip": embedder.flip,
            "licence": embedder.model.licence,
            "origin": embedder.model.origin,
        },
        "calibration": None
        if calibration is None
        else {"data": calibration.data, "pairs": calibration.pairs, "floor": calibration.floor},
    }


def _added(pack: ModelPack) -> None:
    Console().print(
        f"{pack.name} added to {pack.manifest_path.parent}, contract {pack.contract_id}",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def _print_json(value: object) -> None:
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def _fail(error: PackError) -> NoReturn:
    typer.echo(f"error: {error}", err=True)
    raise typer.Exit(1)
