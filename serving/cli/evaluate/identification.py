"""`cocircle evaluate lfw-1n`, `megaface`, `identify`: one photo against many; asks and shows, evaluation/ measures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evaluation.datasets.lfw import open_lfw
from evaluation.datasets.megaface import open_megaface
from evaluation.gallery_run import GalleryData, run_identify
from evaluation.lfw_search_run import NOT_ENROLLED, run_lfw_1n
from evaluation.megaface_run import run_megaface
from index.records import Fusion
from serving.cli.console import err
from serving.cli.evaluate.options import (
    AsJson,
    EmbeddingFiles,
    NoCache,
    Packs,
    Page,
    Results,
    Threads,
    show,
    sources,
    told,
)

Seed = Annotated[int, typer.Option(min=0, help="Of what is drawn.")]


def lfw_1n(
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
    pack: Packs = None,
    embeddings: EmbeddingFiles = None,
    report: Page = None,
    results: Results = None,
    threads: Threads = 0,
    no_cache: NoCache = False,
    as_json: AsJson = False,
) -> None:
    """Labeled Faces in the Wild as identification: one photo a person enrolled, all others search."""
    with told():
        with err.status(f"reading {data}"):
            protocol = open_lfw(data)
        found = [
            run_lfw_1n(one, protocol, not_enrolled=not_enrolled, seed=seed, as_labelled=as_labelled)
            for one in sources(pack, embeddings, threads, no_cache)
        ]
        show(found, report, results, as_json)


def megaface(
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
            help="Which probes count: JSON or a path a line. [default: found in DIR]", metavar="FILE"
        ),
    ] = None,
    distractor_list: Annotated[
        Path | None, typer.Option(help="Which distractors count. [default: found in DIR]", metavar="FILE")
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
            min=1, help="Distractors, beside all; may be given several times. [default: 10, 100, ...]"
        ),
    ] = None,
    seed: Annotated[
        list[int] | None,
        typer.Option(min=0, help="Of the nested subsets; may be given several times. [default: 0]"),
    ] = None,
    aligned: Annotated[
        bool, typer.Option("--aligned", help="Images are aligned 112x112 crops; nothing is detected.")
    ] = False,
    pack: Packs = None,
    embeddings: EmbeddingFiles = None,
    report: Page = None,
    results: Results = None,
    threads: Threads = 0,
    no_cache: NoCache = False,
    as_json: AsJson = False,
) -> None:
    """MegaFace challenge 1: the rank of a mate among ever more distractors."""
    with told():
        with err.status(f"reading {data}"):
            protocol = open_megaface(
                data,
                probe_list=probe_list,
                distractor_list=distractor_list,
                probe_noise=probe_noise or (),
                distractor_noise=distractor_noise or (),
            )
        found = [
            run_megaface(
                one, protocol, sizes=size or (), seeds=tuple(dict.fromkeys(seed or [0])), aligned=aligned
            )
            for one in sources(pack, embeddings, threads, no_cache)
        ]
        show(found, report, results, as_json)


def identify(
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
    pack: Packs = None,
    embeddings: EmbeddingFiles = None,
    report: Page = None,
    results: Results = None,
    threads: Threads = 0,
    no_cache: NoCache = False,
    as_json: AsJson = False,
) -> None:
    """Your own photos: how often a search finds its person, and how often a stranger's finds anybody."""
    with told():
        with err.status("reading photos"):
            data = GalleryData(gallery, probes, distractors)
        found = [
            run_identify(one, data, fusion=fusion, threshold=threshold)
            for one in sources(pack, embeddings, threads, no_cache)
        ]
        show(found, report, results, as_json)
