"""Things that are the same by pairs -> groups of the same things."""

from __future__ import annotations

from collections.abc import Iterable


class Groups:
    """A forest over numbers; takes memory for those that were joined alone."""

    def __init__(self, pairs: Iterable[tuple[int, int]] = ()) -> None:
        self._above: dict[int, int] = {}
        for one, other in pairs:
            self.join(one, other)

    def join(self, one: int, other: int) -> None:
        """They are the same from now on."""
        first, second = sorted((self.of(one), self.of(other)))
        self._above.setdefault(first, first)
        self._above[second] = first

    def of(self, number: int) -> int:
        """The least number of the group that it is in."""
        root = number
        while (above := self._above.get(root, root)) != root:
            root = above
        while (above := self._above.get(number, number)) != number:
            self._above[number] = root
            number = above
        return root

    def all(self) -> list[list[int]]:
        """The groups of two and more, members ascending, by their least."""
        found: dict[int, list[int]] = {}
        for number in sorted(self._above):
            found.setdefault(self.of(number), []).append(number)
        return [group for _, group in sorted(found.items()) if len(group) > 1]
