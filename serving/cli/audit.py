"""`cocircle audit`: looks through the audit of a data folder or database, writes it out, checks its chain."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Annotated

import typer
from rich.markup import escape

from index.audit import Audit
from index.audit_records import Action, Wanted
from index.registers import open_registers
from serving.access_answers import audit_line
from serving.access_schemas import AuditLine
from serving.cli.console import EXIT_NO, Home, Json, err, out, told_errors
from serving.keys import gallery_settings, read_moment
from serving.settings import SettingsError, read_settings

audit_app = typer.Typer(help="What was done, to whom, by which key; docs/security.md.", no_args_is_help=True)

Since = Annotated[
    str | None, typer.Option(help="First day or time, in ISO 8601.", show_default="the beginning")
]
Until = Annotated[str | None, typer.Option(help="Day or time after the last.", show_default="now")]
OfAction = Annotated[Action | None, typer.Option(help="Only this.", show_default="all", show_choices=False)]
OfCollection = Annotated[
    str | None, typer.Option("--collection", "-c", help="Only of this one.", show_default="all")
]
OfActor = Annotated[
    str | None, typer.Option(help="Only by this one: id of a key, local or worker.", show_default="all")
]
OfPerson = Annotated[
    str | None, typer.Option(help="Only of this person of --collection.", show_default="everybody")
]
NUMBER_AND_HASH = re.compile(r"(\d{1,18}):([0-9a-f]{64})")


@audit_app.command("list")
def listing(
    since: Since = None,
    until: Until = None,
    action: OfAction = None,
    collection: OfCollection = None,
    actor: OfActor = None,
    person: OfPerson = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Most lines.")] = 100,
    home: Home = None,
    as_json: Json = False,
) -> None:
    """Lists lines, newest first. One JSON line each with --json."""
    with told_errors(), _audit(home) as audit:
        wanted = _wanted(since, until, action, collection, actor, person)
        found = audit.page(wanted, None, limit)
    if as_json:
        sys.stdout.writelines(audit_line(one).model_dump_json() + "\n" for one in found)
        return
    for line in map(audit_line, found):
        out.print(escape(_words(line)), soft_wrap=True)


@audit_app.command()
def export(
    since: Since = None,
    until: Until = None,
    action: OfAction = None,
    collection: OfCollection = None,
    actor: OfActor = None,
    person: OfPerson = None,
    home: Home = None,
) -> None:
    """Writes lines to standard output in the order they were written, a JSON object each."""
    with told_errors(), _audit(home) as audit:
        lines = audit.lines(_wanted(since, until, action, collection, actor, person))
        while part := list(islice(lines, 1000)):
            sys.stdout.write("".join(audit_line(line).model_dump_json() + "\n" for line in part))


@audit_app.command()
def verify(
    expect: Annotated[
        str | None,
        typer.Option(
            help="A line seen before and kept elsewhere, as `verify` prints it.", metavar="NUMBER:HASH"
        ),
    ] = None,
    home: Home = None,
) -> None:
    """Recomputes the chain and prints the newest line as NUMBER:HASH.

    Exit status 1 where a line was changed or removed.
    """
    with told_errors(), _audit(home) as audit:
        verdict = audit.verify(None if expect is None else _expected(expect))
    sys.stdout.write(f"{verdict.number}:{verdict.hash}\n")
    if verdict.damage is not None:
        err.print(f"[red]the audit is damaged:[/red] {escape(verdict.damage)}", soft_wrap=True)
        raise typer.Exit(EXIT_NO)
    err.print(f"{verdict.number} lines, each as it was written", soft_wrap=True)


def _words(line: AuditLine) -> str:
    who, did = f"{line.actor:<8}", f"{line.action:<17} {line.outcome:<9}"
    subject = None if line.subject is None else f"person {line.subject[:12]}"
    faces = f"faces {line.faces}" if line.faces else None
    to = (line.collection, subject, line.about, faces, None if line.job is None else f"job {line.job}")
    return f"{line.number:>7} {line.at:%Y-%m-%d %H:%M:%S} {who} {did} " + ", ".join(filter(None, to))


@contextmanager
def _audit(home: Home) -> Iterator[Audit]:
    with open_registers(gallery_settings(read_settings(home=home))) as registers:
        yield registers.audit


def _wanted(
    since: str | None,
    until: str | None,
    action: Action | None,
    collection: str | None,
    actor: str | None,
    person: str | None,
) -> Wanted:
    if person is not None and collection is None:
        raise SettingsError("--person needs --collection: the audit knows a person by a digest of both")
    return Wanted(
        None if since is None else read_moment(since),
        None if until is None else read_moment(until),
        None if action is None else str(action),
        collection,
        actor,
        person,
    )


def _expected(text: str) -> tuple[int, str]:
    found = NUMBER_AND_HASH.fullmatch(text)
    if found is None:
        raise SettingsError(f"{text[:80]!r} is not NUMBER:HASH, as `cocircle audit verify` prints it")
    return int(found[1]), found[2]
