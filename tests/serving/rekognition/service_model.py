"""botocore's own description of Rekognition, held against the bytes that a service answered."""

from __future__ import annotations

import re
from typing import Any

import botocore.session
from botocore.model import Shape

MODEL = botocore.session.get_session().get_service_model("rekognition")


def problems(shape: Shape, value: Any, where: str = "") -> list[str]:
    """What of a parsed JSON value is not as the shape says: unknown or missing members, types, lengths, enums."""
    match shape.type_name:
        case "structure":
            return _of_structure(shape, value, where)
        case "list":
            if not isinstance(value, list):
                return [f"{where}: {value!r} is no list"]
            found = _length(shape, len(value), where)
            for at, item in enumerate(value):
                found += problems(shape.member, item, f"{where}[{at}]")
            return found
        case "string":
            return _of_string(shape, value, where)
        case "integer" | "long":
            whole = isinstance(value, int) and not isinstance(value, bool)
            return _range(shape, value, where) if whole else [f"{where}: {value!r} is no whole number"]
        case "float" | "timestamp":
            number = isinstance(value, int | float) and not isinstance(value, bool)
            return _range(shape, value, where) if number else [f"{where}: {value!r} is no number"]
        case "boolean":
            return [] if isinstance(value, bool) else [f"{where}: {value!r} is no boolean"]
    return [f"{where}: {shape.type_name} is not known to this test"]


def _of_structure(shape: Any, value: Any, where: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{where}: {value!r} is no object"]
    found = [f"{where}.{name}: is no member of {shape.name}" for name in value if name not in shape.members]
    found += [f"{where}.{name}: is missing" for name in shape.required_members if name not in value]
    for name in value.keys() & shape.members.keys():
        found += problems(shape.members[name], value[name], f"{where}.{name}")
    return found


def _of_string(shape: Any, value: Any, where: str) -> list[str]:
    if not isinstance(value, str):
        return [f"{where}: {value!r} is no string"]
    found = _length(shape, len(value), where)
    if shape.enum and value not in shape.enum:
        found.append(f"{where}: {value!r} is none of {shape.enum}")
    pattern = shape.metadata.get("pattern")
    if pattern and not re.fullmatch(pattern, value):
        found.append(f"{where}: {value!r} does not match {pattern}")
    return found


def _length(shape: Shape, length: int, where: str) -> list[str]:
    least, most = shape.metadata.get("min", 0), shape.metadata.get("max", length)
    # An empty answer of a list that a request may not leave empty is how AWS says "none".
    return (
        []
        if least <= length <= most or length == 0
        else [f"{where}: length {length} is outside {least}..{most}"]
    )


def _range(shape: Shape, value: float, where: str) -> list[str]:
    least, most = shape.metadata.get("min", value), shape.metadata.get("max", value)
    return [] if least <= value <= most else [f"{where}: {value} is outside {least}..{most}"]
