"""Groups of commands that are imported when one of them is asked for: what they need costs others no time."""

from __future__ import annotations

from functools import cached_property
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup


def later(module: str, name: str, help: str) -> typer.Typer:
    """Stands for the group `name` of `module` until one of its commands is run or listed."""

    class _Group(TyperGroup):
        # The types of contexts and commands are click's or typer's own, by typer's version.
        @cached_property
        def _whole(self) -> Any:
            return typer.main.get_command(getattr(import_module(module), name))

        def list_commands(self, ctx: Any) -> list[str]:
            names: list[str] = self._whole.list_commands(ctx)
            return names

        def get_command(self, ctx: Any, cmd_name: str) -> Any:
            return self._whole.get_command(ctx, cmd_name)

    return typer.Typer(cls=_Group, help=help, no_args_is_help=True)
