"""`cocircle evaluate lfw`: the protocol that a pack is calibrated on; asks and prints, evaluation/ measures."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from evaluation.datasets.lfw import open_lfw
from evaluation.lfw.result import lfw_result
from evaluation.lfw.run import run_lfw, with_flip
from evaluation.report.page import overlaid, page, side_by_side
from evaluation.report.results_folder import keep
from faces.analyzer import Analyzer
from faces.pack import ModelPack, load_pack, write_calibration
from serving.cli.console import err, out
from serving.cli.evaluate.options import (
    AsJson,
    NoCache,
    Packs,
    Page,
    Results,
    Threads,
    photo_bar,
    rich_table,
    told,
)


def evaluate_lfw(
    data: Annotated[
        Path,
        typer.Option(help="Folder with pairs.txt and lfw-pairs-250.tar, or the folder lfw/.", metavar="DIR"),
    ],
    pack: Packs = None,
    flip: Annotated[
        bool | None,
        typer.Option(
            "--flip/--no-flip", help="Average with the mirrored crop.", show_default="as the pack says"
        ),
    ] = None,
    report: Page = None,
    results: Results = None,
    picture: Annotated[Path | None, typer.Option(help="Write the ROC alone.", metavar="SVG")] = None,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Write cosine -> false match rate into the pack's manifest.")
    ] = False,
    threads: Threads = 0,
    no_cache: NoCache = False,
    as_json: AsJson = False,
) -> None:
    """Labeled Faces in the Wild: ten-fold accuracy on all 6,000 pairs, TAR at FAR, ROC, calibration."""

    def open_analyzer(chosen: ModelPack) -> Analyzer:
        return Analyzer(chosen, threads=threads)

    with told():
        packs = [load_pack(name) for name in pack or ["default"]]
        runs = []
        with err.status(f"reading {data}"):
            protocol = open_lfw(data)
        for loaded in packs:
            chosen = loaded if flip is None else with_flip(loaded, flip)
            if calibrate and chosen.contract_id != loaded.contract_id:
                raise typer.BadParameter(
                    f"a calibration is for the pack as it is served, and {loaded.name} is served "
                    f"{'with' if loaded.embedder.flip else 'without'} mirror averaging",
                    param_hint="--flip",
                )
            run = run_lfw(
                chosen, open_analyzer, protocol, photo_bar, calibrate=calibrate, use_cache=not no_cache
            )
            runs.append(run)
            if run.calibration is not None:
                write_calibration(loaded.manifest_path, run.calibration.calibration)
                err.print(f"calibration written to {loaded.manifest_path}", soft_wrap=True)
        found = [lfw_result(run) for run in runs]
        if report is not None:
            report.write_text(page(found), encoding="utf-8")
        if results is not None:
            keep(found, results)
        if picture is not None:
            roc, *_ = overlaid(found)
            picture.write_text(roc.svg(), encoding="utf-8")
    if as_json:
        sys.stdout.write(json.dumps([run.record() for run in runs], indent=2, allow_nan=False) + "\n")
        return
    for table in side_by_side(found):
        out.print(rich_table(table))
    for run in runs:
        if run.calibration is not None:
            out.print(run.calibration.calibration.data, soft_wrap=True)
