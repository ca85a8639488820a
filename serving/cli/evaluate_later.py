"""`cocircle evaluate` as the other commands see it: its protocols are imported when one of them is asked for.

They cost a quarter of a second, for which no other command should wait.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import typer
from typer.core import TyperGroup


@cache
def _whole() -> Any:
    from serving.cli.evaluate import evaluate_app

    return typer.main.get_command(evaluate_app)


class _Evaluate(TyperGroup):
    # The types of contexts and commands are click's or typer's own, by typer's version.
    def list_commands(self, ctx: Any) -> list[str]:
        names: list[str] = _whole().list_commands(ctx)
        return names

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        return _whole().get_command(ctx, cmd_name)


evaluate_later = typer.Typer(
    cls=_Evaluate,
    help="Measure a model pack, or anybody's embeddings, by a public protocol or on data of your own.",
    no_args_is_help=True,
)
