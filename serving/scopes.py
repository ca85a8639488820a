"""What a key may do, as words. Which route asks for what stands with the routes; what a key is, in keys.py."""

from __future__ import annotations

from enum import StrEnum


class Scope(StrEnum):
    """What a key may do. ADMIN includes ENROL, ENROL includes READ."""

    READ = "read"
    ENROL = "enrol"
    ADMIN = "admin"


REACH = {
    Scope.READ: frozenset({Scope.READ}),
    Scope.ENROL: frozenset({Scope.READ, Scope.ENROL}),
    Scope.ADMIN: frozenset(Scope),
}
