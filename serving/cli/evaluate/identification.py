"""`cocircle evaluate lfw-1n`, `megaface`, `identify`: one photo against many; asks and shows, evaluation/ measures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evaluation.datasets.lfw import open_lfw
from evaluation.datasets.megaface import open_megaface
from evaluation.identification.gallery_run import GalleryData, run_identify
from evaluation.identification.megaface_run import run_megaface
from evaluation.lfw.search_run import NOT_ENROLLED, run_lfw_1n
from evaluation.report.protocol_result import ProtocolResult
from index.records import Fusion
from serving.cli.console import err
from serving.cli.evaluate.options import Aligned, Seed, Sources, protocol


@protocol
def lfw_1n(
    asked: Sources,
    data: Annotated[
        Path, typer.Option(help="Folder with pairs.txt and the photos, as for `lfw`.", metavar="DIR")
    ],
    not_enrolled: Annotated[
        float, typer.Option(min=0.0, max=0.99, help="Share of people outside the gallery of the open set.")
    ] = NOT_ENROLLED,
    seed: Seed = 0,
    as_labelled: Annotated[
        bool, typer.Option("--as-labelled", help="Leave wrong labels and second names as they are.")
    ] = False,
) -> list[ProtocolResult]:
    """Labeled Faces in the Wild as identification: one photo a person enrolled, all others search."""
    with err.status(f"reading {data}"):
        lfw = open_lfw(data)
    return [
        run_lfw_1n(one, lfw, not_enrolled=not_enrolled, seed=seed, as_labelled=as_labelled)
        for one in asked.opened()
    ]


@protocol
def megaface(
    asked: Sources,
    data: Annotated[
        Path,
        typer.Option(
            help="Folder with facescrub_images/ and megaface_images/, or probes/ and distractors/.",
            metavar="DIR",
        ),
    ],
    probe_list: Annotated[
        Path | None,
        typer.Option(
            help="Which probes count: JSON or a path a line.", show_default="found in DIR", metavar="FILE"
        ),
    ] = None,
    distractor_list: Annotated[
        Path | None,
        typer.Option(help="Which distractors count.", show_default="found in DIR", metavar="FILE"),
    ] = None,
    probe_noise: Annotated[
        list[Path] | None,
        typer.Option(help="Names of probes to leave out; may be given several times.", metavar="FILE"),
    ] = None,
    distractor_noise: Annotated[
        list[Path] | None,
        typer.Option(help="Names of distractors to leave out; may be given several times.", metavar="FILE"),
    ] = None,
    size: Annotated[
        list[int] | None,
        typer.Option(
            min=1, help="Distractors, beside all; may be given several times.", show_default="10, 100, ..."
        ),
    ] = None,
    seed: Annotated[
        list[int] | None,
        typer.Option(min=0, help="Of the nested subsets; may be given several times.", show_default="0"),
    ] = None,
    aligned: Aligned = False,
) -> list[ProtocolResult]:
    """MegaFace challenge 1: the rank of a mate among ever more distractors."""
    with err.status(f"reading {data}"):
        opened = open_megaface(
            data,
            probe_list=probe_list,
            distractor_list=distractor_list,
            probe_noise=probe_noise or (),
            distractor_noise=distractor_noise or (),
        )
    seeds = tuple(dict.fromkeys(seed or [0]))
    return [
        run_megaface(one, opened, sizes=size or (), seeds=seeds, aligned=aligned) for one in asked.opened()
    ]


@protocol
def identify(
    asked: Sources,
    gallery: Annotated[
        Path, typer.Option(help="Photos of the enrolled: a folder or tar of Person/file.", metavar="DIR")
    ],
    probes: Annotated[
        Path,
        typer.Option(
            help="Photos that search, Person/file; who has no folder in the gallery is a stranger.",
            metavar="DIR",
        ),
    ],
    distractors: Annotated[
        Path | None,
        typer.Option(help="More enrolled people, an image each, none of whom probes.", metavar="DIR"),
    ] = None,
    fusion: Annotated[
        Fusion, typer.Option(help="How a person with several photos in the gallery is searched.")
    ] = Fusion.MEAN,
    threshold: Annotated[
        float | None, typer.Option(min=-1.0, max=1.0, help="Also tell FNIR and FPIR at this cosine.")
    ] = None,
) -> list[ProtocolResult]:
    """Your own photos: how often a search finds its person, and how often a stranger's finds anybody."""
    with err.status("reading photos"):
        data = GalleryData(gallery, probes, distractors)
    return [run_identify(one, data, fusion=fusion, threshold=threshold) for one in asked.opened()]
