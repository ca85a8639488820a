"""`cocircle evaluate calibration`, `compare`, `drift`: a pack on photos of one's own; asks and prints, evaluation/
measures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from evaluation.compare_run import check_two, compare_lfw, compare_people
from evaluation.datasets.groups_csv import read_groups
from evaluation.datasets.lfw import PAIRS_FILE, open_lfw
from evaluation.datasets.people_folder import open_people
from evaluation.drift_run import run_drift
from evaluation.own_calibration_run import run_own_calibration
from evaluation.pack_embeddings import PackEmbeddings
from evaluation.strongest import RESAMPLES
from faces.pack import write_calibration
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

Aligned = Annotated[
    bool, typer.Option("--aligned", help="Images are aligned 112x112 crops, taken as they are.")
]
Resamples = Annotated[int, typer.Option(min=50, max=100_000, help="Draws of people behind each interval.")]
Seed = Annotated[int, typer.Option(min=0, help="Of those draws.")]
PEOPLE = "Folder or tar of Person/photo.jpg."


def evaluate_calibration(
    data: Annotated[Path, typer.Option(help=PEOPLE, metavar="DIR")],
    pack: Packs = None,
    embeddings: EmbeddingFiles = None,
    aligned: Aligned = False,
    groups: Annotated[
        Path | None, typer.Option(help="Rates by group: columns `person` and any others.", metavar="CSV")
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Write the calibration into the pack's manifest.")
    ] = False,
    resamples: Resamples = RESAMPLES,
    seed: Seed = 0,
    report: Page = None,
    results: Results = None,
    threads: Threads = 0,
    no_cache: NoCache = False,
    as_json: AsJson = False,
) -> None:
    """Your own photos, a folder a person: cosine for each false match rate, what today's thresholds do, by group."""
    if write and embeddings:
        raise typer.BadParameter(
            "a file of embeddings has no manifest to write into; name the pack", param_hint="--write"
        )
    with told():
        folder = open_people(data, aligned=aligned)
        named = None if groups is None else read_groups(groups, folder.people)
        found = []
        for source in sources(pack, embeddings, threads, no_cache):
            own = run_own_calibration(source, folder, named, resamples=resamples, seed=seed)
            found.append(own.result)
            if write and isinstance(source, PackEmbeddings):
                write_calibration(source.pack.manifest_path, own.calibration)
                err.print(f"calibration written to {source.pack.manifest_path}", soft_wrap=True)
        show(found, report, results, as_json)


def evaluate_compare(
    data: Annotated[
        Path, typer.Option(help=f"LFW, a folder with {PAIRS_FILE}; or {PEOPLE.lower()}", metavar="DIR")
    ],
    pack: Packs = None,
    embeddings: EmbeddingFiles = None,
    aligned: Aligned = False,
    resamples: Resamples = RESAMPLES,
    seed: Seed = 0,
    report: Page = None,
    results: Results = None,
    threads: Threads = 0,
    no_cache: NoCache = False,
    as_json: AsJson = False,
) -> None:
    """Two packs on the same pairs: which is better, by how much, and whether chance alone does that."""
    with told():
        both = sources(pack, embeddings, threads, no_cache)
        check_two(both)
        first, second = both
        if (data / PAIRS_FILE).is_file():
            found = compare_lfw(first, second, open_lfw(data), resamples=resamples, seed=seed)
        else:
            folder = open_people(data, aligned=aligned)
            found = compare_people(first, second, folder, resamples=resamples, seed=seed)
        show([found], report, results, as_json)


def evaluate_drift(
    before: Annotated[Path, typer.Option(help=f"Photos of before: {PEOPLE.lower()}", metavar="DIR")],
    after: Annotated[Path, typer.Option(help="Photos of today, or of another camera.", metavar="DIR")],
    pack: Packs = None,
    embeddings: EmbeddingFiles = None,
    aligned: Aligned = False,
    resamples: Resamples = RESAMPLES,
    seed: Seed = 0,
    report: Page = None,
    results: Results = None,
    threads: Threads = 0,
    no_cache: NoCache = False,
    as_json: AsJson = False,
) -> None:
    """One pack on two sets of photos: how cosines moved, and what today's thresholds do on the second."""
    with told():
        first, second = (open_people(data, aligned=aligned) for data in (before, after))
        found = [
            run_drift(source, first, second, resamples=resamples, seed=seed)
            for source in sources(pack, embeddings, threads, no_cache)
        ]
        show(found, report, results, as_json)


COMMANDS: Mapping[str, Callable[..., None]] = {
    "calibration": evaluate_calibration,
    "compare": evaluate_compare,
    "drift": evaluate_drift,
}
"""What `cocircle evaluate` calls each of them."""
