"""`cocircle evaluate ijb` and `ytf`: protocols on sets of images; they ask and print, evaluation/ measures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evaluation.datasets.ijb import Task, open_ijb
from evaluation.datasets.ytf import Frames, open_ytf
from evaluation.report.protocol_result import ProtocolResult
from evaluation.templates.ijb_run import Weights, run_ijb
from evaluation.templates.ytf_run import run_ytf
from serving.cli.console import err
from serving.cli.evaluate.options import Sources, protocol


@protocol
def ijb(
    asked: Sources,
    data: Annotated[
        Path, typer.Option(help="Folder IJBB or IJBC, with meta/ and loose_crop/.", metavar="DIR")
    ],
    task: Annotated[
        Task, typer.Option(help="Verification of pairs, search in galleries, or both.")
    ] = Task.BOTH,
    weights: Annotated[
        Weights, typer.Option(help="What an image's row is multiplied by in its template.")
    ] = Weights.NONE,
) -> list[ProtocolResult]:
    """IJB-B or IJB-C: TAR at FAR of template pairs, and rank and TPIR at FPIR of the mixed search."""
    with err.status(f"reading {data}"):
        opened = open_ijb(data, task)
    return [run_ijb(one, opened, weights=weights) for one in asked.opened()]


@protocol
def ytf(
    asked: Sources,
    data: Annotated[
        Path,
        typer.Option(
            help="Folder with splits.txt and aligned_images_DB/ or frame_images_DB/.", metavar="DIR"
        ),
    ],
    frames: Annotated[
        Frames | None, typer.Option(help="Which of the two.", show_default="aligned, where they are there")
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="Take one frame in so many.")] = 1,
) -> list[ProtocolResult]:
    """YouTube Faces: ten-fold accuracy, TAR at FAR and equal error rate of pairs of videos."""
    with err.status(f"reading {data}"):
        opened = open_ytf(data, frames, every)
    return [run_ytf(one, opened) for one in asked.opened()]
