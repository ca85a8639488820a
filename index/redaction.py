"""Takes persons out of JSON documents that name them by their ids; knows no store."""

from __future__ import annotations

import json
from collections.abc import Set as AbstractSet
from typing import Any

ERASED = "erased"
"""What stands in a record where somebody's id, name or file stood."""


def names_any(document: str | bytes, people: AbstractSet[str]) -> bool:
    """Whether a text in a JSON document, as a whole, is the id of one of these people."""
    if not people or not document:
        return False
    try:
        waiting = [json.loads(document)]
    except ValueError:
        return False
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            if value in people:
                return True
        elif isinstance(value, dict):
            waiting += [*value, *value.values()]
        elif isinstance(value, list):
            waiting += value
    return False


def redacted(value: Any, people: AbstractSet[str]) -> Any:
    """A JSON value of the same shape in which none of these people is named.

    An object that names one of them in a field is of that person: all its texts go, numbers and shape stay.
    """
    if isinstance(value, str):
        return ERASED if value in people else value
    if isinstance(value, list):
        return [redacted(one, people) for one in value]
    if isinstance(value, dict):
        if any(isinstance(one, str) and one in people for one in value.values()):
            return {_key(name, people): _blank(one) for name, one in value.items()}
        return {_key(name, people): redacted(one, people) for name, one in value.items()}
    return value


def _key(name: str, people: AbstractSet[str]) -> str:
    return ERASED if name in people else name


def _blank(value: Any) -> Any:
    if isinstance(value, str):
        return ERASED
    if isinstance(value, list):
        return [_blank(one) for one in value]
    return {} if isinstance(value, dict) else value
