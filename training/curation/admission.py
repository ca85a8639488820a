"""Which identities have enough faces, decided as the photos pass by; holds back no more than it must.

An identity is admitted, and takes the next class, when its last missing face comes; until then its faces wait.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from training.curation.outcome import Accepted, Rejected
from training.curation.photos import Entered, NotFollowed


@dataclass(frozen=True)
class Record:
    """A face of an admitted identity. label: its class. first: whether the class begins with it."""

    face: Accepted
    label: int
    first: bool


@dataclass(frozen=True)
class LeftOut:
    """An identity with too few faces. accepted: how many it has, 0 upwards."""

    identity: str
    accepted: int


Decided = Record | Rejected | NotFollowed | LeftOut
Passing = Entered | NotFollowed | Accepted | Rejected


def decided(
    passing: Iterable[Passing], fewest: int, *, next_label: int = 0, within: tuple[str, int] | None = None
) -> Iterator[Decided]:
    """Everything in the order of the photos, each identity's rejections among its faces.

    fewest: faces of an identity, at least 1. within: name and class of an admitted identity that `passing`
    begins inside of.
    """
    state = _Identity(next_label)
    for item in passing:
        if isinstance(item, Entered):
            yield from state.left()
            label = within[1] if within is not None and item.identity == within[0] else None
            state = _Identity(state.next_label, item.identity, label)
        else:
            yield from state.took(item, fewest)
    yield from state.left()


class _Identity:
    def __init__(self, next_label: int, name: str = "", label: int | None = None) -> None:
        self.next_label = next_label
        self._name, self._label = name, label
        self._waiting: list[Accepted | Rejected | NotFollowed] = []
        self._faces = 0

    def took(self, item: Accepted | Rejected | NotFollowed, fewest: int) -> Iterator[Decided]:
        self._faces += isinstance(item, Accepted)
        if self._label is not None:
            yield Record(item, self._label, False) if isinstance(item, Accepted) else item
            return
        self._waiting.append(item)
        if self._faces == fewest:
            self._label = self.next_label
            self.next_label += 1
            yield from self._released(self._label)

    def left(self) -> Iterator[Decided]:
        """What is still to be told of the identity when another begins."""
        if self._label is None:
            yield from (item for item in self._waiting if not isinstance(item, Accepted))
        if self._label is None and self._name:
            yield LeftOut(self._name, self._faces)

    def _released(self, label: int) -> Iterator[Decided]:
        first = True
        for item in self._waiting:
            if isinstance(item, Accepted):
                yield Record(item, label, first)
                first = False
            else:
                yield item
        self._waiting = []
