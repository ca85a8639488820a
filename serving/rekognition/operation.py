"""What an operation of the protocol is, and the register of them all, filled by the modules that answer them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import Request

from serving.access import Principal
from serving.rekognition.shapes import Input
from serving.scopes import Scope
from serving.service import Service

Answer = dict[str, Any]
"""Members of the operation's output shape, ready for JSON."""


@dataclass(frozen=True)
class Call:
    """One admitted request, whose body has been read."""

    request: Request
    service: Service
    who: Principal


Asked = TypeVar("Asked", bound=Input)
Perform = Callable[[Call, Any], Awaitable[Answer]]


@dataclass(frozen=True)
class Operation:
    """scope: needed to ask for it. writes: changes what is stored. photos: needs a place for photos."""

    name: str
    shape: type[Input]
    scope: Scope
    writes: bool
    photos: bool
    perform: Perform


OPERATIONS: dict[str, Operation] = {}


def operation(
    shape: type[Asked], scope: Scope, *, photos: bool = False
) -> Callable[[Callable[[Call, Asked], Awaitable[Answer]]], Callable[[Call, Asked], Awaitable[Answer]]]:
    """Registers what answers requests of a shape, under the shape's own name. Only reading asks for READ."""

    def register(
        perform: Callable[[Call, Asked], Awaitable[Answer]],
    ) -> Callable[[Call, Asked], Awaitable[Answer]]:
        name = shape.__name__
        OPERATIONS[name] = Operation(name, shape, scope, scope is not Scope.READ, photos, perform)
        return perform

    return register
