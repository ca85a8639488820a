"""Commands whose options are their own and some that several share, each written once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from serving.cli.console import ApiKey, Home, Pack, Url, told_errors

Where = Callable[[str | None, str | None, Path | None, str | None], AbstractContextManager[Any]]
LAST = "as_json"


def composed(
    command: Callable[..., None], act: Callable[..., Any], options: Sequence[inspect.Parameter]
) -> Callable[..., None]:
    """`command` with the name and help of `act`, and with these options."""
    parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in options]
    # Typer reads a command's options from its signature and from its annotations.
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in parameters}
    command.__name__, command.__doc__ = act.__name__, act.__doc__
    return command


def options_of(act: Callable[..., Any]) -> list[inspect.Parameter]:
    """Its options and arguments, without the first parameter, which is handed to it."""
    return list(inspect.signature(act, eval_str=True).parameters.values())[1:]


def asks(where: Where) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Makes a command of a function that asks a service: its own options, and those that say which service.

    where: opens it, from address, key, data folder and pack; the function is handed what is opened. Errors are told.
    """

    def wrap(act: Callable[..., None]) -> Callable[..., None]:
        def command(
            *, url: Url = None, key: ApiKey = None, home: Home = None, pack: Pack = None, **own: Any
        ) -> None:
            with told_errors(), where(url, key, home, pack) as opened:
                act(opened, **own)

        shared = list(inspect.signature(command, eval_str=True).parameters.values())[:-1]
        own = options_of(act)
        before = [one for one in own if one.name != LAST]
        return composed(command, act, [*before, *shared, *(one for one in own if one.name == LAST)])

    return wrap
