"""Who belongs together by way of pairs: a union of sets of names, in memory for those that stand in a pair."""

from __future__ import annotations


class Groups:
    """Disjoint sets of names (Tarjan's union by size with halved paths)."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}
        self._size: dict[str, int] = {}

    def join(self, one: str, other: str) -> None:
        """They are of one group from now on, and so are all who are with either."""
        kept, gone = self._root(one), self._root(other)
        if kept == gone:
            return
        if self._size[kept] < self._size[gone]:
            kept, gone = gone, kept
        self._parent[gone] = kept
        self._size[kept] += self._size.pop(gone)

    @property
    def names(self) -> int:
        """How many stand in any pair."""
        return len(self._parent)

    def __len__(self) -> int:
        """How many groups there are."""
        return len(self._size)

    @property
    def largest(self) -> int:
        """Names in the largest group, 0 where there is none."""
        return max(self._size.values(), default=0)

    def _root(self, name: str) -> str:
        parent = self._parent
        if name not in parent:
            parent[name] = name
            self._size[name] = 1
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name
