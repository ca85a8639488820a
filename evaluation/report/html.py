"""One self-contained page for the evaluations of packs: the same figures give the same bytes."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from evaluation.lfw_calibration import LfwCalibration
from evaluation.lfw_run import LfwRun
from evaluation.report.lfw_pictures import calibration_picture, roc_picture, run_label

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; background: #fff;
  max-width: 54rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { text-align: right; padding: .3rem .8rem; border-bottom: 1px solid #ddd;
  font-variant-numeric: tabular-nums; }
th:first-child, td:first-child { text-align: left; }
svg { width: 100%; height: auto; }
code { overflow-wrap: anywhere; }
"""


def lfw_page(runs: Sequence[LfwRun]) -> str:
    """The page as text. It holds no time and no duration, so two pages can be compared line by line."""
    if not runs:
        raise ValueError("a report needs at least one evaluation")
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>LFW: {escape(', '.join(run_label(run) for run in runs))}</title>",
        f"<style>{STYLE}</style></head><body>",
        "<h1>Labeled Faces in the Wild</h1>",
        f"<p>{runs[0].pairs:,} pairs, ten folds; each fold's threshold is chosen on the nine others. "
        "The standard error is that of the mean over the folds, as LFW asks.</p>",
        html_table(figure_rows(runs)),
        roc_picture(runs),
    ]
    for run in runs:
        if run.calibration is not None:
            parts += _calibration(run, run.calibration)
    parts += ["<h2>Made with</h2>", html_table(provenance_rows(runs)), "</body></html>"]
    return "\n".join(parts) + "\n"


def figure_rows(runs: Sequence[LfwRun]) -> list[list[str]]:
    """The table of figures, a column a run; the first row is its head."""
    rows = [["", *(run_label(run) for run in runs)]]
    rows.append(["accuracy, %", *(f"{100 * run.figures.accuracy.mean:.2f}" for run in runs)])
    rows.append(["standard error, %", *(f"{100 * run.figures.accuracy.standard_error:.2f}" for run in runs)])
    rows.append(
        ["standard deviation of folds, %"]
        + [f"{100 * run.figures.accuracy.standard_deviation:.2f}" for run in runs]
    )
    for at, point in enumerate(runs[0].figures.operating_points):
        tars = (f"{100 * run.figures.operating_points[at].tar:.2f}" for run in runs)
        rows.append([f"TAR at FAR {point.far:g}, %", *tars])
    rows.append(["equal error rate, %", *(f"{100 * run.figures.equal_error_rate:.2f}" for run in runs)])
    rows.append(["photos without a face found", *(str(run.figures.choice.no_face) for run in runs)])
    rows.append(["photos with several faces", *(str(run.figures.choice.several) for run in runs)])
    rows.append(["subject is not the largest face", *(str(run.figures.choice.not_largest) for run in runs)])
    rows.append(
        ["accuracy with the largest face, %"]
        + [f"{100 * run.figures.choice.accuracy_of_largest:.2f}" for run in runs]
    )
    return rows


def level_rows(calibration: LfwCalibration) -> list[list[str]]:
    """The table a user chooses a threshold from; the first row is its head."""
    rows = [["false match rate", "cosine", "95 % interval of the rate", "false non-match rate, %"]]
    for level in calibration.levels:
        interval = level.interval
        between = f"{interval.low:.1e} to {interval.high:.1e}" if interval is not None else "-"
        cosine = f"{level.cosine:.4f}" + (" (extrapolated)" if level.extrapolated else "")
        rows.append([f"{level.fmr:g}", cosine, between, f"{100 * level.fnmr:.2f}"])
    return rows


def provenance_rows(runs: Sequence[LfwRun]) -> list[list[str]]:
    """Contracts, data digests and versions."""
    first = runs[0]
    rows = [["", ""]]
    rows += [[f"contract of {run_label(run)}", run.contract_id] for run in runs]
    rows += [["images", f"{first.images} photos, SHA-256 {first.images_digest}"]]
    rows += [["pairs", f"{first.pairs} pairs, SHA-256 {first.pairs_digest}"]]
    if first.rest_digest is not None:
        rows += [["other crops", f"{first.rest} crops, SHA-256 {first.rest_digest}"]]
    return rows + [[name, version] for name, version in first.versions.items()]


def _calibration(run: LfwRun, calibration: LfwCalibration) -> list[str]:
    measured = calibration.calibration
    return [
        f"<h2>Calibration of {escape(run_label(run))}</h2>",
        f"<p>{escape(measured.data)}. Rates below {measured.floor:.2g} are extrapolated. "
        "False non-match rates are of the protocol's genuine pairs.</p>",
        html_table(level_rows(calibration)),
        calibration_picture(calibration, run.figures.genuine),
    ]


def html_table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of text, the first one the head, as an HTML table."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in rows[0])
    lines = ["".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows[1:]]
    body = "\n".join(f"<tr>{line}</tr>" for line in lines)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table>"
