"""`cocircle evaluate`: how good a pack is; each file beside this one asks for one family of protocols."""

from __future__ import annotations

import typer

from serving.cli.evaluate.lfw import evaluate_lfw
from serving.cli.evaluate.report import write_report

evaluate_app = typer.Typer(
    help="Measure a model pack, or anybody's embeddings, by a public protocol or on data of your own.",
    no_args_is_help=True,
)
evaluate_app.command("lfw")(evaluate_lfw)
evaluate_app.command("report")(write_report)
