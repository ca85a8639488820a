"""A calibration on anybody's own photos, from files to a result and what a manifest would hold; writes no manifest."""

from __future__ import annotations

from dataclasses import dataclass

from evaluation.calibration.gallery_table import gallery_plot, gallery_table
from evaluation.calibration.group_tables import NOTES as GROUP_NOTES
from evaluation.calibration.group_tables import group_figures, group_table
from evaluation.calibration.groups import group_levels
from evaluation.calibration.own_photos import measure_own
from evaluation.calibration.own_tables import own_figures, own_plot, own_tables
from evaluation.calibration.thresholds import gallery_rates
from evaluation.datasets.groups_csv import Groups
from evaluation.datasets.people_folder import PeopleFolder
from evaluation.embedding.sources import EmbeddingSource
from evaluation.provenance import versions
from evaluation.report.protocol_result import ProtocolResult
from evaluation.resampling import RESAMPLES
from faces.calibration import Calibration

NOTES = (
    "Each pair of people has one vote among strangers, shared by all pairs of their photos, and each person one vote "
    "in the false non-match rate. Intervals are 95 %, by drawing people anew.",
    "Counted: measured on these photos. Linear: below the counted rates, log10(FMR) goes on in a straight line, as in "
    "the manifest. Extreme-value tail: what a generalised Pareto distribution of the strongest pairs gives there; it "
    "is shown beside, and its interval says how it varies with the people, not whether it is right. Both ways "
    "were tried on LFW down to three decades below the lowest counted rate; further below neither has been checked.",
    "The largest face of each photo counts. Photos without a face are left out; how many is in the table.",
    "One person under two names, or a photo whose largest face is somebody else's, looks like a pair of strangers who "
    "are very much alike, and moves the lowest rates: look at the most alike pairs before believing those.",
)


@dataclass(frozen=True)
class OwnCalibration:
    """calibration: for the manifest. result: everything for people."""

    calibration: Calibration
    result: ProtocolResult


def run_own_calibration(
    source: EmbeddingSource,
    folder: PeopleFolder,
    groups: Groups | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> OwnCalibration:
    """Embeds, counts all pairs and states every threshold. DatasetError where the people are too few, saying how many
    it takes.
    """
    measured = measure_own(source, folder, resamples=resamples, seed=seed)
    levels = {
        column: group_levels(
            [of.get(person) for person in sorted(set(measured.embedded.people))],
            measured.strongest,
            measured.genuine,
            measured.operating.points,
            resamples=resamples,
            seed=seed,
        )
        for column, of in (groups.columns if groups is not None else {}).items()
        if any(person in of for person in measured.embedded.people)
    }
    rates = gallery_rates()
    data = {"photos": folder.described}
    notes = [*NOTES, f"Today's thresholds are those of {measured.operating.whence}."]
    if groups is not None:
        data["groups"] = f"{', '.join(groups.columns)}, SHA-256 {groups.digest}"
        notes += GROUP_NOTES
        if groups.unused:
            notes.append(f"{groups.unused} people of the groups' file have no photos here.")
    result = ProtocolResult(
        protocol="calibration",
        title="Calibration on own photos",
        subject=source.name,
        contract_id=source.contract_id,
        notes=tuple(notes),
        tables=(
            *own_tables(source.name, measured),
            gallery_table(source.name, rates, measured.galleries),
            *(group_table(column, source.name, of_column) for column, of_column in levels.items()),
        ),
        figures={
            **own_figures(measured),
            "galleries": [
                {"people": size, "fpir": fpir, "fmr": fmr, "statement": statement}
                for (size, fpir, fmr), statement in zip(rates, measured.galleries, strict=True)
            ],
            "groups": {column: group_figures(of_column) for column, of_column in levels.items()},
            "resamples": resamples,
            "seed": seed,
        },
        data=data,
        versions=versions(),
        plots=(own_plot(source.name, measured), gallery_plot(source.name, rates, measured.galleries)),
    )
    return OwnCalibration(measured.calibration, result)
