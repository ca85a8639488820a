"""`cocircle keys`: makes, lists and revokes the service's API keys."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from serving.cli.console import EXIT_ERROR, Home, Json, out, tell_error, told_errors
from serving.keys import open_keys, read_moment
from serving.rekognition.credentials import Credentials, access_key_id
from serving.scopes import Scope
from serving.settings import read_settings

keys_app = typer.Typer(help="API keys of the service on this machine.", no_args_is_help=True)


@keys_app.command()
def create(
    scope: Annotated[Scope, typer.Option(help="read: ask; enrol: also write persons; admin: everything.")],
    name: Annotated[str, typer.Option(help="Whose it is, for the list.")] = "",
    collection: Annotated[
        list[str] | None,
        typer.Option(
            "--collection",
            "-c",
            help="A collection it is limited to, or a prefix of such, as team-*. Repeat for more.",
            show_default="all",
        ),
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="Requests a second.", show_default="COCIRCLE_RATE or no limit")
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(help="Day or time from which it is refused, in ISO 8601.", show_default="never"),
    ] = None,
    home: Home = None,
) -> None:
    """Makes a key and prints it, this once: as it is, and on standard error as an AWS client is given it."""
    with told_errors():
        settings = read_settings(home=home)
        until = None if expires is None else read_moment(expires)
        with open_keys(settings) as ring:
            text = ring.create(name, scope, collections=collection or None, rate=rate, expires_at=until)
            key = ring.get(text.split("_", 2)[1])
        secret = None if key is None else Credentials.open(settings.folder).secret(key)
    sys.stdout.write(f"{text}\n")
    if key is None:
        tell_error("the key has expired already")
        raise typer.Exit(EXIT_ERROR)
    # Beside the key and not after it: what reads standard output reads the key alone.
    sys.stderr.write(f"AWS_ACCESS_KEY_ID={access_key_id(key)}\nAWS_SECRET_ACCESS_KEY={secret}\n")


@keys_app.command("list")
def listing(home: Home = None, as_json: Json = False) -> None:
    """Lists keys without their secrets."""
    with told_errors(), open_keys(read_settings(home=home)) as ring:
        keys = ring.all()
    if as_json:
        rows = [
            {
                "id": key.id,
                "name": key.name,
                "scope": key.scope,
                "collections": key.collections,
                "rate": key.rate,
                "created_at": key.created_at.isoformat(timespec="seconds"),
                "expires_at": _iso(key.expires_at),
                "last_used": _iso(key.used_at),
            }
            for key in keys
        ]
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return
    columns = ("id", "scope", "collections", "rate", "name", "created", "expires", "last used")
    table = Table(*columns, box=None, header_style="dim")
    for key in keys:
        granted = "all" if key.collections is None else " ".join(key.collections)
        rate = "-" if key.rate is None else f"{key.rate:g}/s"
        times = (key.created_at, key.expires_at, key.used_at)
        shown = ("-" if moment is None else f"{moment:%Y-%m-%d %H:%M}" for moment in times)
        table.add_row(key.id, key.scope.value, escape(granted), rate, escape(key.name), *shown)
    out.print(table)


@keys_app.command()
def revoke(
    identity: Annotated[str, typer.Argument(metavar="ID", help="From `keys list`.")], home: Home = None
) -> None:
    """Revokes a key; a running service refuses it within a second."""
    with told_errors(), open_keys(read_settings(home=home)) as ring:
        found = ring.revoke(identity)
    if not found:
        tell_error(f"no key has the id {identity}; see `cocircle keys list`")
        raise typer.Exit(EXIT_ERROR)


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")
