"""`cocircle jobs make`, and a command for each kind of job, whose flags are the kind's own options."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic.fields import FieldInfo

from serving.cli.console import ApiKey, Home, Json, Pack, Url, told_errors
from serving.cli.job_place import exit_status, interruptible, place, refusals_as_failures
from serving.cli.job_tables import show_job
from serving.client import ApiFailure

if TYPE_CHECKING:
    from serving.jobs.kind import Kind

Collection = Annotated[str | None, typer.Option("--collection", "-c", help="The collection it is about.")]
Wait = Annotated[
    bool,
    typer.Option(
        "--wait/--no-wait",
        help="Follow it to its end (without --url this process does the work), or leave it to a service.",
    ),
]
Given = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="An option of the kind; of nested ones as JSON."),
]
SHARED: dict[str, tuple[Any, Any]] = {
    "collection": (Collection, None),
    "wait": (Wait, True),
    "url": (Url, None),
    "key": (ApiKey, None),
    "home": (Home, None),
    "pack": (Pack, None),
    "as_json": (Json, False),
}


def make(
    kind: Annotated[str, typer.Argument(help="As `cocircle jobs --help` lists them.")],
    collection: Collection = None,
    given: Given = None,
    wait: Wait = True,
    url: Url = None,
    key: ApiKey = None,
    home: Home = None,
    pack: Pack = None,
    as_json: Json = False,
) -> None:
    """Makes a job of any kind. Exit status 0 when it is done, 1 when it failed, 2 when there is none."""
    from serving.jobs.making import known_kind

    with told_errors(), refusals_as_failures():
        options = named_values(known_kind(kind), given or [])
    _make(kind, collection, options, wait=wait, url=url, key=key, home=home, pack=pack, as_json=as_json)


def maker(kind: Kind) -> Any:
    """The command that makes jobs of one kind, as click or typer itself has commands."""
    fields = {name: field for name, field in kind.options.model_fields.items() if name not in SHARED}

    def command(**values: Any) -> None:
        shared = {name: values[name] for name in SHARED}
        with told_errors():
            options = {
                name: read_value(field, values[name])
                for name, field in fields.items()
                if values[name] is not None
            }
        _make(kind.name, shared.pop("collection"), options, **shared)

    flags = {name: (_flag(name, field), None) for name, field in fields.items()}
    parameters = {**flags, **SHARED}
    command.__doc__ = f"Makes a job of the kind {kind.name} (docs/jobs.md)."
    command.__annotations__ = {name: annotation for name, (annotation, _) in parameters.items()}
    command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]  # what typer reads
        [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            for name, (annotation, default) in parameters.items()
        ]
    )
    alone = typer.Typer(add_completion=False)
    alone.command(kind.name)(command)
    return typer.main.get_command(alone)


def named_values(kind: Kind, given: Sequence[str]) -> dict[str, Any]:
    """Options from NAME=VALUE texts. Raises ApiFailure for what is no such text or no option."""
    values: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise _refused(f"--set {text}: it must be NAME=VALUE")
        field = kind.options.model_fields.get(name)
        if field is None:
            names = ", ".join(sorted(kind.options.model_fields)) or "none"
            raise _refused(f"{name} is no option of the kind '{kind.name}'; its options: {names}")
        values[name] = read_value(field, value)
    return values


def read_value(field: FieldInfo, value: Any) -> Any:
    """A value of the command line for an option: nested ones come as JSON."""
    if not isinstance(value, str) or _scalar(field.annotation) is not None:
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def _refused(message: str) -> ApiFailure:
    return ApiFailure(422, "invalid_request", message, {}, None)


def _make(kind: str, collection: str | None, options: dict[str, Any], **shared: Any) -> None:
    where = (shared["url"], shared["key"], shared["home"], shared["pack"])
    with told_errors(), place(*where) as found:
        job = found.make(kind, collection, options)
        if shared["wait"]:
            with interruptible(job.id):
                job = found.follow(job.id, work=True)
    show_job(job, as_json=shared["as_json"])
    raise typer.Exit(exit_status(job))


def _flag(name: str, field: FieldInfo) -> Any:
    flag = "--" + name.replace("_", "-")
    kind = _scalar(field.annotation)
    words = [field.description or "", *_choices(field.annotation)]
    if field.is_required():
        words.append("Required.")
    elif field.default is not None and not field.default_factory:
        words.append(f"By default {getattr(field.default, 'value', field.default)}.")
    text = " ".join(word for word in words if word)
    if kind is bool:
        return Annotated[bool | None, typer.Option(f"{flag}/--no-{flag[2:]}", help=text)]
    if kind in (int, float):
        return Annotated[kind | None, typer.Option(flag, help=text)]
    return Annotated[str | None, typer.Option(flag, help=text)]


def _scalar(annotation: Any) -> type | None:
    """bool, int, float or str where an option is one of these (or may also be left out); None where it is nested."""
    if get_origin(annotation) is Annotated:
        return _scalar(get_args(annotation)[0])
    if get_origin(annotation) is Literal:
        return str
    if get_origin(annotation) in (Union, UnionType):
        others = [part for part in get_args(annotation) if part is not NoneType]
        return _scalar(others[0]) if len(others) == 1 else None
    if not isinstance(annotation, type):
        return None
    for plain in (bool, int, float, str):
        if issubclass(annotation, plain):
            return plain
    return str if hasattr(annotation, "__fspath__") else None


def _choices(annotation: Any) -> list[str]:
    if get_origin(annotation) is Literal:
        return [f"One of {', '.join(map(str, get_args(annotation)))}."]
    members = getattr(annotation, "__members__", None)
    return [f"One of {', '.join(str(member.value) for member in members.values())}."] if members else []
