"""LFW's figures as the tables and plots that every protocol hands over; measures nothing."""

from __future__ import annotations

from evaluation.lfw.calibration import LfwCalibration
from evaluation.lfw.pictures import calibration_plot, run_label
from evaluation.lfw.run import LfwRun
from evaluation.report.protocol_result import ProtocolResult, Table
from evaluation.verification.curves import roc_plot
from evaluation.verification.rows import accuracy_rows


def lfw_result(run: LfwRun) -> ProtocolResult:
    """A run as a protocol's result, its calibration with it where there is one."""
    notes = [
        "Each fold's threshold is chosen on the nine others. The standard error is that of the mean over the folds, as "
        "LFW asks."
    ]
    tables = [Table.of(f"LFW, {run.pairs:,} pairs, ten folds", figure_rows(run))]
    title = f"LFW, {run.pairs:,} pairs: true over false accept rate"
    accuracy = f"{run_label(run)}: {100 * run.figures.accuracy.mean:.2f} %"
    plots = [roc_plot(title, accuracy, run.figures.curve)]
    if run.calibration is not None:
        label, measured = run_label(run), run.calibration.calibration
        notes.append(
            f"{label}: {measured.data}. Rates below {measured.floor:.2g} are extrapolated. False non-match rates are "
            "of the protocol's genuine pairs."
        )
        tables.append(Table.of(f"Calibration of {label}", level_rows(run.calibration)))
        plots.append(calibration_plot(run.calibration, run.figures.genuine, label))
    data = {
        "images": f"{run.images} photos, SHA-256 {run.images_digest}",
        "pairs": f"{run.pairs} pairs, SHA-256 {run.pairs_digest}",
    }
    if run.rest_digest is not None:
        data["other crops"] = f"{run.rest} crops, SHA-256 {run.rest_digest}"
    record = run.record()
    return ProtocolResult(
        protocol="lfw",
        title="Labeled Faces in the Wild",
        subject=run_label(run),
        contract_id=run.contract_id,
        notes=tuple(notes),
        tables=tuple(tables),
        figures={"figures": record["figures"], "calibration": record["calibration"]},
        data=data,
        versions=run.versions,
        plots=tuple(plots),
    )


def figure_rows(run: LfwRun) -> list[list[str]]:
    """The table of figures; the first row is its head."""
    figures, choice = run.figures, run.figures.choice
    return [
        ["", run_label(run)],
        *accuracy_rows(figures.accuracy),
        *([f"TAR at FAR {point.far:g}, %", f"{100 * point.tar:.2f}"] for point in figures.operating_points),
        ["equal error rate, %", f"{100 * figures.equal_error_rate:.2f}"],
        ["photos without a face found", str(choice.no_face)],
        ["photos with several faces", str(choice.several)],
        ["subject is not the largest face", str(choice.not_largest)],
        ["accuracy with the largest face, %", f"{100 * choice.accuracy_of_largest:.2f}"],
    ]


def level_rows(calibration: LfwCalibration) -> list[list[str]]:
    """The table a user chooses a threshold from; the first row is its head."""
    rows = [["false match rate", "cosine", "95 % interval of the rate", "false non-match rate, %"]]
    for level in calibration.levels:
        interval = level.interval
        between = f"{interval.low:.1e} to {interval.high:.1e}" if interval is not None else "-"
        cosine = f"{level.cosine:.4f}" + (" (extrapolated)" if level.extrapolated else "")
        rows.append([f"{level.fmr:g}", cosine, between, f"{100 * level.fnmr:.2f}"])
    return rows
