"""Pages of what a principal may know of, where the gallery's own pages hold what others may. Knows no route."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from index.gallery import Gallery
from index.records import Collection
from serving.access import Principal

T = TypeVar("T")

PART = 1000


def granted_collections(
    gallery: Gallery, who: Principal, after: str | None, limit: int
) -> Sequence[Collection]:
    """At most `limit` collections by id, beyond `after`."""
    if not who.limited:
        return gallery.collections(after, limit)
    return granted(gallery.collections, lambda one: who.reaches(one.id), lambda one: one.id, after, limit)


def granted(
    page: Callable[[str | None, int], Sequence[T]],
    seen: Callable[[T], bool],
    place: Callable[[T], str],
    after: str | None,
    limit: int,
) -> list[T]:
    """At most `limit` of what `page` lists beyond `after` and may be `seen`. place: where the next page goes on."""
    found: list[T] = []
    while part := page(after, PART):
        found.extend(one for one in part if seen(one))
        if len(found) >= limit or len(part) < PART:
            break
        after = place(part[-1])
    return found[:limit]
