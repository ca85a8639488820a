"""What the commands share: opening a set, looking at it and leaving a report; shows nothing itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from faces.analyzer import Analyzer
from faces.pack import ModelPack, load_pack
from faces.quality import DEFAULT_LIMITS, QualityLimits
from training.curation.embed import featured, fingerprint
from training.curation.errors import CurationError
from training.curation.features import delete_features
from training.curation.findings import Findings
from training.curation.inspect import Inspection
from training.curation.levels import Levels, levels_of
from training.curation.report import REPORT, aligned, read_report, write_report
from training.curation.selection import Selection, Source
from training.curation.steps import Steps
from training.curation.work import WORK
from training.data.records import BadRecord, FaceRecords
from training.data.shard_writer import write_shards
from training.data.source import open_records


@dataclass(frozen=True)
class Models:
    """A pack with its cosines, loaded for threads that run one model each. workers: how many threads."""

    pack: ModelPack
    levels: Levels
    analyzer: Analyzer
    workers: int


def load_models(name: str, workers: int, tolerated: float, limits: QualityLimits = DEFAULT_LIMITS) -> Models:
    """CurationError where the pack has no calibration, PackError where it cannot be loaded."""
    pack = load_pack(name)
    return Models(pack, levels_of(pack, tolerated), Analyzer(pack, threads=1, limits=limits), workers)


def opened(path: Path) -> Source:
    """The set at a path. BadData where there is none."""
    return Source(path, open_records(path))


def inspect_set(source: Source, models: Models, report: Path, *, keep: bool, steps: Steps) -> Findings:
    """Look at a set and write its report. keep: the embeddings; else they are deleted when the report is there."""
    records = source.records
    mark = mark_of(source)
    features, folder = featured(
        source.path, records, mark, models.analyzer, workers=models.workers, steps=steps
    )
    look = Inspection(source.path, records, mark, features, folder, models.pack, models.levels)
    findings = look.findings(workers=models.workers, steps=steps)
    findings = replace(findings, aligned=aligned(source.path, len(records)))
    write_report(report, findings, source.path if findings.aligned is not None else None)
    if not keep:
        delete_features(folder)
    return findings


def alignment_report(
    out: Path, models: Models, *, already: bool, keep: bool, steps: Steps
) -> tuple[Findings, Path]:
    """The report of a finished alignment and where it lies. already: whether it was finished when it was begun: then
    a report that is there is taken as it is.
    """
    path = out / REPORT
    if not (already and path.exists()):
        return inspect_set(opened(out), models, path, keep=keep, steps=steps), path
    if not keep:
        delete_features(out / WORK)
    return read_report(path), path


def report_path(source: Path) -> Path:
    """Beside the shards of a set that was written here, else in the current folder."""
    return source / REPORT if (source / WORK).is_dir() or (source / "shards.json").is_file() else Path(REPORT)


def write_selection(out: Path, selection: Selection, per_shard: int, steps: Steps) -> None:
    """A new set. CurationError where OUT is one of the sets that it is made from, or a record cannot be read."""
    for source in selection.sources:
        if out.resolve() in (source.path.resolve(), *source.path.resolve().parents):
            raise CurationError(
                f"the output {out} is or holds the input {source.path}; choose another folder"
            )
    with steps("writing", len(selection)) as advance:
        done = 0

        def told(written: int) -> None:
            nonlocal done
            advance(written - done)
            done = written

        try:
            write_shards(out, selection, per_shard=per_shard, progress=told)
        except BadRecord as error:
            raise CurationError(f"{error}; drop that record with  cocircle data relabel --changes") from error


def mark_of(source: Source) -> str:
    """What tells whether a report or a file of changes is about this set."""
    return fingerprint(source.path, source.records)


def about(findings: Findings, report: Path, records: FaceRecords, mark: str) -> None:
    """CurationError where the report is about another set."""
    looked = findings.looked
    if looked.fingerprint != mark or looked.records != len(records):
        raise CurationError(
            f"{report} is about {looked.source} with {looked.records:,} records as it was then; this set has "
            f"{len(records):,} or was changed since: inspect it again"
        )
