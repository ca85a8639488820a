"""`cocircle evaluate report`: one page of all results that were kept."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evaluation.report.page import page, pictures
from evaluation.report.results_folder import kept
from serving.cli.console import out
from serving.cli.evaluate.options import told


def write_report(
    results: Annotated[Path, typer.Argument(help="Folder that `--results` filled.", metavar="DIR")],
    to: Annotated[Path, typer.Option(help="The page to write.", metavar="HTML")],
    plots: Annotated[
        Path | None, typer.Option(help="Write its plots into this folder too, an SVG each.", metavar="DIR")
    ] = None,
) -> None:
    """One self-contained page of every protocol and pack in a folder of results."""
    with told():
        found = kept(results)
        to.write_text(page(found), encoding="utf-8")
        if plots is not None:
            plots.mkdir(parents=True, exist_ok=True)
            for name, svg in pictures(found).items():
                (plots / f"{name}.svg").write_text(svg, encoding="utf-8")
    out.print(f"{to}: {len(found)} results", soft_wrap=True)
