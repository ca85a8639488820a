"""`cocircle evaluate`: how good a pack is; each file beside this one asks for one family of protocols."""

from __future__ import annotations

import typer

from serving.cli.evaluate.calibration import COMMANDS as OF_CALIBRATION
from serving.cli.evaluate.identification import identify, lfw_1n, megaface
from serving.cli.evaluate.lfw import evaluate_lfw
from serving.cli.evaluate.pairs import COMMANDS as OF_PAIRS
from serving.cli.evaluate.report import write_report
from serving.cli.evaluate.retrieval import COMMANDS as OF_RETRIEVAL
from serving.cli.evaluate.templates import ijb, ytf

evaluate_app = typer.Typer()

ONE_TO_ONE, TEMPLATES, ONE_TO_MANY, RETRIEVAL, CALIBRATION = (
    "One to one",
    "Templates of several photos",
    "One to many",
    "Retrieval of other things than faces",
    "Calibration and comparison",
)

evaluate_app.command("lfw", rich_help_panel=ONE_TO_ONE)(evaluate_lfw)
for name, command in OF_PAIRS.items():
    evaluate_app.command(name, rich_help_panel=ONE_TO_ONE)(command)
evaluate_app.command("ijb", rich_help_panel=TEMPLATES)(ijb)
evaluate_app.command("ytf", rich_help_panel=TEMPLATES)(ytf)
evaluate_app.command("lfw-1n", rich_help_panel=ONE_TO_MANY)(lfw_1n)
evaluate_app.command("megaface", rich_help_panel=ONE_TO_MANY)(megaface)
evaluate_app.command("identify", rich_help_panel=ONE_TO_MANY)(identify)
for name, command in OF_RETRIEVAL.items():
    evaluate_app.command(name, rich_help_panel=RETRIEVAL)(command)
for name, command in OF_CALIBRATION.items():
    evaluate_app.command(name, rich_help_panel=CALIBRATION)(command)
evaluate_app.command("report")(write_report)
