"""The help of every command: what stands in the source is what a reader sees."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import typer
from rich.text import Text
from typer.testing import CliRunner

from serving.cli import app


def helps() -> Iterator[tuple[str, str]]:
    """(command and option, help) of every option that has one."""
    groups = [("", typer.main.get_group(app))]
    while groups:
        prefix, group = groups.pop()
        for name, command in group.commands.items():
            if isinstance(command, typer.core.TyperGroup):
                groups.append((f"{name} ", command))
            for option in command.params:
                text = getattr(option, "help", None)
                if text:
                    yield f"{prefix}{name} {option.name}", text


def test_no_word_of_a_help_is_taken_for_a_style() -> None:
    found = dict(helps())
    assert {"train run", "data inspect report", "reproduce coco-mnist seeds", "serve port"} <= found.keys()
    assert [where for where, text in found.items() if Text.from_markup(text).plain != text] == []


@pytest.mark.parametrize(
    ("command", "default"),
    [
        ("train", "[default: (runs/NAME)]"),
        ("export", "[default: (the folder's)]"),
        ("export", "[default: (the run's data)]"),
        ("data inspect", "[default: (beside shards written here)]"),
        ("serve", "[default: (127.0.0.1)]"),
        ("evaluate lfw", "[default: (as the pack says)]"),
    ],
)
def test_a_default_in_words_stands_in_the_help(command: str, default: str) -> None:
    done = CliRunner(env={"COLUMNS": "250"}).invoke(app, [*command.split(), "--help"])
    assert done.exit_code == 0, done.output
    assert default in done.output
