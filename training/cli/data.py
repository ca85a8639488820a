"""`cocircle data`: photos into sets of aligned faces, and what is wrong with such sets; asks and shows only."""

from __future__ import annotations

import os
from collections import Counter
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from faces.quality import DEFAULT_LIMITS, QualityLimits
from training.cli.bars import bars
from training.cli.console import err, out, told_errors

if TYPE_CHECKING:
    from training.curation.edits import Edits
    from training.curation.findings import Findings
    from training.curation.selection import Selection

data_app = typer.Typer(help="Make, look at, merge and correct sets of faces.", no_args_is_help=True)

steps = bars(err)
SHOWN = 50

Pack = Annotated[str, typer.Option(help="Model pack: a name or a folder.")]
Workers = Annotated[int, typer.Option(min=0, max=256, help="Threads; 0 takes one a core.")]
PerShard = Annotated[int, typer.Option(min=1, help="Records in a shard.")]
Tolerated = Annotated[
    float, typer.Option(help="False alarms that each search across identities may be expected to raise.")
]
Embeddings = Annotated[
    bool, typer.Option("--embeddings/--no-embeddings", help="Keep the embeddings after the report.")
]
Set = Annotated[Path, typer.Argument(help="Shards, a .rec, or a folder of identities.", metavar="SHARDS")]


class By(StrEnum):
    """Whether a name means the same person in every set."""

    NAMES = "names"
    DISTINCT = "distinct"


@data_app.command()
def align(
    photos: Annotated[Path, typer.Argument(help="A folder of IDENTITY/PHOTO.jpg.")],
    output: Annotated[Path, typer.Argument(help="Folder of the shards.", metavar="OUT")],
    pack: Pack = "default",
    workers: Workers = 0,
    quality: Annotated[int, typer.Option(min=1, max=100, help="Of the JPEGs.")] = 95,
    rival: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="multiple_faces: a second face with a larger share of the first's area."
        ),
    ] = 0.5,
    per_shard: PerShard = 10_000,
    min_images: Annotated[int, typer.Option(min=1, help="Faces an identity needs to be taken.")] = 1,
    face_size: Annotated[
        float, typer.Option(help="small_face: pixels under this.")
    ] = DEFAULT_LIMITS.face_size,
    sharpness: Annotated[float, typer.Option(help="blurred: under this.")] = DEFAULT_LIMITS.sharpness,
    brightness: Annotated[float, typer.Option(help="dark: under this, of 255.")] = DEFAULT_LIMITS.brightness,
    yaw: Annotated[float, typer.Option(help="extreme_pose: degrees beyond this.")] = DEFAULT_LIMITS.yaw,
    pitch: Annotated[float, typer.Option(help="extreme_pose: degrees beyond this.")] = DEFAULT_LIMITS.pitch,
    score: Annotated[float, typer.Option(help="low_confidence: under this, of 1.")] = DEFAULT_LIMITS.score,
    tolerated: Tolerated = 0.1,
    embeddings: Embeddings = True,
) -> None:
    """Cut the face out of every photo. The same command again goes on where a killed one ended."""
    with told_errors():
        from training.curation.align import AlignOptions, align_photos
        from training.curation.errors import CurationError
        from training.curation.photos import Photos
        from training.curation.session import alignment_report, load_models

        limits = QualityLimits(face_size, sharpness, brightness, yaw, pitch, score)
        models = load_models(pack, workers or _cores(), tolerated, limits)
        options = AlignOptions(quality, rival, per_shard, min_images)
        found = Photos(photos)
        if found.loose:
            err.print(
                f"{found.loose:,} files beside the folders in {photos} belong to no identity", soft_wrap=True
            )
        standing = align_photos(found, output, models.analyzer, options, workers=models.workers, steps=steps)
        if not standing.records:
            raise CurationError(
                f"no face was taken from {photos}; why: {output}/.work/events-*.jsonl says it photo by photo"
            )
        findings, report = alignment_report(
            output, models, already=standing.already, keep=embeddings, steps=steps
        )
    _show(findings, report, embeddings)


@data_app.command()
def inspect(
    source: Set,
    pack: Pack = "default",
    workers: Workers = 0,
    tolerated: Tolerated = 0.1,
    report: Annotated[
        Path | None,
        typer.Option(help="Where to write it.", show_default="beside shards written here", metavar="JSON"),
    ] = None,
    changes: Annotated[
        Path | None, typer.Option(help="Write what to do about it, for you to edit.", metavar="CSV")
    ] = None,
    embeddings: Embeddings = True,
) -> None:
    """Look for copies, wrong labels, several people in one identity and one person in several."""
    with told_errors():
        from training.curation.changes import write_changes
        from training.curation.proposal import Wanted, proposed
        from training.curation.session import inspect_set, load_models, opened, report_path

        opened_set = opened(source)
        place = report if report is not None else report_path(source)
        models = load_models(pack, workers or _cores(), tolerated)
        findings = inspect_set(opened_set, models, place, keep=embeddings, steps=steps)
        if changes is not None:
            edits = proposed(findings, Wanted(True, True, True, True))
            write_changes(changes, edits, source, opened_set.records, findings.looked.fingerprint)
            err.print(
                f"{len(edits):,} changes are proposed in {changes}; edit it, then  cocircle data relabel",
                soft_wrap=True,
            )
    _show(findings, place, embeddings)


@data_app.command()
def merge(
    output: Annotated[Path, typer.Argument(help="A new folder.", metavar="OUT")],
    sets: Annotated[list[Path], typer.Argument(help="Two or more sets.", metavar="SET...")],
    by: Annotated[
        By, typer.Option(help="names: one name, one person. distinct: nobody is in two sets.")
    ] = By.NAMES,
    match: Annotated[
        bool, typer.Option("--match", help="Make one of identities of different sets that look the same.")
    ] = False,
    pack: Pack = "default",
    workers: Workers = 0,
    tolerated: Tolerated = 0.1,
    per_shard: PerShard = 10_000,
) -> None:
    """Write several sets as one. Images are copied as they are."""
    with told_errors():
        from training.curation.errors import CurationError
        from training.curation.merge import matched, merged
        from training.curation.session import load_models, opened, write_selection

        if len(sets) < 2:
            raise CurationError(f"a merge takes two sets or more; only {sets[0]} was given")
        chosen = merged([opened(path) for path in sets], "names" if by is By.NAMES else "distinct")
        if match:
            models = load_models(pack, workers or _cores(), tolerated)
            chosen, same = matched(
                chosen, models.analyzer, models.levels, workers=models.workers, steps=steps
            )
            for one in same:
                out.print(
                    f"{one.move.identity} is {one.keep.identity} (cosine {one.cosine:.2f})", markup=False
                )
        write_selection(output, chosen, per_shard, steps)
    out.print(f"{len(chosen):,} faces of {chosen.classes:,} identities are in {output}", soft_wrap=True)


@data_app.command()
def relabel(
    source: Set,
    output: Annotated[Path, typer.Argument(help="A new folder.", metavar="OUT")],
    report: Annotated[Path | None, typer.Option(help="Act on a report.", metavar="JSON")] = None,
    changes: Annotated[
        Path | None, typer.Option(help="Act on a list: record,action,identity.", metavar="CSV")
    ] = None,
    drop_outliers: Annotated[bool, typer.Option("--drop-outliers")] = False,
    drop_duplicates: Annotated[bool, typer.Option("--drop-duplicates")] = False,
    merge_split: Annotated[
        bool, typer.Option("--merge-split", help="Make one of two that are one person.")
    ] = False,
    split_merged: Annotated[
        bool, typer.Option("--split-merged", help="Part those of several people.")
    ] = False,
    per_shard: PerShard = 10_000,
) -> None:
    """Write a corrected copy of a set. The set itself stays as it is."""
    with told_errors():
        from training.curation.changes import read_changes
        from training.curation.edits import edited
        from training.curation.errors import CurationError
        from training.curation.proposal import Wanted, proposed
        from training.curation.report import read_report
        from training.curation.selection import everything
        from training.curation.session import about, mark_of, opened, write_selection

        wanted = Wanted(drop_outliers, drop_duplicates, split_merged, merge_split)
        if (report is None) == (changes is None):
            raise CurationError("give either --report with what to act on, or --changes")
        opened_set = opened(source)
        mark = mark_of(opened_set)
        if report is not None:
            if wanted == Wanted():
                raise CurationError(
                    "say what to act on: --drop-outliers --drop-duplicates --merge-split --split-merged"
                )
            findings = read_report(report)
            about(findings, report, opened_set.records, mark)
            edits = proposed(findings, wanted)
        elif changes is not None:
            if wanted != Wanted():
                raise CurationError("--drop-... and the like are for --report; the changes say what to do")
            edits = read_changes(changes, len(opened_set.records), mark)
        before = everything(opened_set)
        after = edited(before, edits)
        write_selection(output, after, per_shard, steps)
    _tell_edits(edits, before)
    out.print(
        f"{before.classes:,} identities with {len(before):,} faces became {after.classes:,} with {len(after):,}, "
        f"in {output}",
        soft_wrap=True,
    )


def _tell_edits(edits: Edits, before: Selection) -> None:
    """Every change, record by record as far as a person would read it."""
    lines = [f"dropped {before.name(record)}: {why}" for record, why in islice(edits.drop.items(), SHOWN)]
    moves = Counter(
        (before.class_names[int(before.labels[record])], name) for record, (name, _) in edits.move.items()
    )
    lines += [f"moved {count:,} faces of {one} to {other}" for (one, other), count in moves.items()]
    for line in lines[: 2 * SHOWN]:
        out.print(line, markup=False, soft_wrap=True)
    out.print(f"{len(edits.drop):,} faces dropped, {len(edits.move):,} moved")


def _show(findings: Findings, report: Path, kept: bool) -> None:
    from training.curation.tables import tables

    for table in tables(findings):
        out.print(table)
    out.print(f"All of it is in {report}", soft_wrap=True)
    if kept:
        out.print(
            f"The embeddings are kept in {findings.looked.features}: biometric data; delete its part-* files when "
            "you are done, or use --no-embeddings",
            soft_wrap=True,
        )


def _cores() -> int:
    return len(os.sched_getaffinity(0))
