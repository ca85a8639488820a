"""Where training's commands print, and how they tell an error; no command of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.markup import escape

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

EXIT_ERROR = 2
INSTALL = "training needs torch: run  pip install torch && pip install 'cocircle[train]'"


@contextmanager
def told_errors() -> Iterator[None]:
    """Turns an error that a user can act on into its sentence and exit status 2.

    Such errors are ValueError and RuntimeError of this project's rooms, and what the file system refuses.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in (
            "torch",
            "safetensors",
            "tensorboard",
            "pytorch_metric_learning",
        ):
            raise
        _tell(f"{INSTALL} ({error.name} is missing)")
    except OSError as error:
        _tell(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except (ValueError, RuntimeError) as error:
        if not type(error).__module__.startswith(("training.", "faces.", "evaluation.")):
            raise
        _tell(str(error))


def _tell(words: str) -> None:
    err.print(f"[red]error:[/red] {escape(words)}", soft_wrap=True)
    raise typer.Exit(EXIT_ERROR) from None
