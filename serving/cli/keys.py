"""`cocircle keys`: makes, lists and revokes the service's API keys."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer
from rich.table import Table

from serving.cli.console import EXIT_ERROR, Home, Json, out, tell_error, told_errors
from serving.keys import KeyRing, Scope
from serving.rekognition.credentials import Credentials, access_key_id
from serving.settings import read_settings

keys_app = typer.Typer(help="API keys of the service on this machine.", no_args_is_help=True)


@keys_app.command()
def create(
    scope: Annotated[Scope, typer.Option(help="read: ask; enrol: also write persons; admin: everything.")],
    name: Annotated[str, typer.Option(help="Whose it is, for the list.")] = "",
    home: Home = None,
) -> None:
    """Makes a key and prints it, this once: as it is, and on standard error as an AWS client is given it."""
    with told_errors():
        ring = _ring(home)
        text = ring.create(name, scope)
        key = ring.find(text)
        assert key is not None
        secret = Credentials.open(read_settings(home=home).folder).secret(key)
    sys.stdout.write(f"{text}\n")
    # Beside the key and not after it: what reads standard output reads the key alone.
    sys.stderr.write(f"AWS_ACCESS_KEY_ID={access_key_id(key)}\nAWS_SECRET_ACCESS_KEY={secret}\n")


@keys_app.command("list")
def listing(home: Home = None, as_json: Json = False) -> None:
    """Lists keys without their secrets."""
    with told_errors():
        keys = _ring(home).all()
    if as_json:
        rows = [
            {"id": key.id, "name": key.name, "scope": key.scope, "created_at": key.created_at} for key in keys
        ]
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return
    table = Table("id", "scope", "name", "created", box=None, header_style="dim")
    for key in keys:
        table.add_row(key.id, key.scope.value, key.name, key.created_at)
    out.print(table)


@keys_app.command()
def revoke(
    identity: Annotated[str, typer.Argument(metavar="ID", help="From `keys list`.")], home: Home = None
) -> None:
    """Revokes a key; a running service refuses it from its next request."""
    with told_errors():
        found = _ring(home).revoke(identity)
    if not found:
        tell_error(f"no key has the id {identity}; see `cocircle keys list`")
        raise typer.Exit(EXIT_ERROR)


def _ring(home: Home) -> KeyRing:
    return KeyRing(read_settings(home=home).folder / "keys.json")
