"""`cocircle evaluate calibration`, `compare`, `drift`: a pack on photos of one's own; asks and prints, evaluation/
measures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from evaluation.calibration.own_run import run_own_calibration
from evaluation.comparison.compare_run import check_two, compare_lfw, compare_people
from evaluation.comparison.drift_run import run_drift
from evaluation.datasets.groups_csv import read_groups
from evaluation.datasets.lfw import PAIRS_FILE, open_lfw
from evaluation.datasets.people_folder import open_people
from evaluation.embedding.sources import PackEmbeddings
from evaluation.report.protocol_result import ProtocolResult
from evaluation.resampling import RESAMPLES
from faces.pack import write_calibration
from serving.cli.console import err
from serving.cli.evaluate.options import Aligned, Seed, Sources, protocol

Resamples = Annotated[int, typer.Option(min=50, max=100_000, help="Draws of people behind each interval.")]
PEOPLE = "Folder or tar of Person/photo.jpg."


@protocol
def evaluate_calibration(
    asked: Sources,
    data: Annotated[Path, typer.Option(help=PEOPLE, metavar="DIR")],
    aligned: Aligned = False,
    groups: Annotated[
        Path | None, typer.Option(help="Rates by group: columns `person` and any others.", metavar="CSV")
    ] = None,
    write: Annotated[
        bool, typer.Option("--write", help="Write the calibration into the pack's manifest.")
    ] = False,
    resamples: Resamples = RESAMPLES,
    seed: Seed = 0,
) -> list[ProtocolResult]:
    """Your own photos, a folder a person: cosine for each false match rate, what today's thresholds do, by group."""
    if write and asked.files:
        raise typer.BadParameter(
            "a file of embeddings has no manifest to write into; name the pack", param_hint="--write"
        )
    folder = open_people(data, aligned=aligned)
    named = None if groups is None else read_groups(groups, folder.people)
    found = []
    for source in asked.opened():
        own = run_own_calibration(source, folder, named, resamples=resamples, seed=seed)
        found.append(own.result)
        if write and isinstance(source, PackEmbeddings):
            write_calibration(source.pack.manifest_path, own.calibration)
            err.print(f"calibration written to {source.pack.manifest_path}", soft_wrap=True)
    return found


@protocol
def evaluate_compare(
    asked: Sources,
    data: Annotated[
        Path, typer.Option(help=f"LFW, a folder with {PAIRS_FILE}; or {PEOPLE.lower()}", metavar="DIR")
    ],
    aligned: Aligned = False,
    resamples: Resamples = RESAMPLES,
    seed: Seed = 0,
) -> list[ProtocolResult]:
    """Two packs on the same pairs: which is better, by how much, and whether chance alone does that."""
    both = asked.opened()
    check_two(both)
    first, second = both
    if (data / PAIRS_FILE).is_file():
        return [compare_lfw(first, second, open_lfw(data), resamples=resamples, seed=seed)]
    folder = open_people(data, aligned=aligned)
    return [compare_people(first, second, folder, resamples=resamples, seed=seed)]


@protocol
def evaluate_drift(
    asked: Sources,
    before: Annotated[Path, typer.Option(help=f"Photos of before: {PEOPLE.lower()}", metavar="DIR")],
    after: Annotated[Path, typer.Option(help="Photos of today, or of another camera.", metavar="DIR")],
    aligned: Aligned = False,
    resamples: Resamples = RESAMPLES,
    seed: Seed = 0,
) -> list[ProtocolResult]:
    """One pack on two sets of photos: how cosines moved, and what today's thresholds do on the second."""
    first, second = (open_people(data, aligned=aligned) for data in (before, after))
    return [run_drift(source, first, second, resamples=resamples, seed=seed) for source in asked.opened()]


COMMANDS: Mapping[str, Callable[..., None]] = {
    "calibration": evaluate_calibration,
    "compare": evaluate_compare,
    "drift": evaluate_drift,
}
"""What `cocircle evaluate` calls each of them."""
