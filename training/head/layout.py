"""Which rank holds which classes; moves nothing.

Rank r of R holds the r-th block of ceil(C / R) classes, the last blocks being shorter or empty: the layout of
torch.chunk and of DTensor's Shard(0), so that checkpoints know where every row belongs.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """The classes start..stop-1 of one rank, by their global ids; start <= stop."""

    start: int
    stop: int

    @property
    def rows(self) -> int:
        """How many classes."""
        return self.stop - self.start

    def overlap(self, other: Share) -> Share:
        """The classes in both; empty where they have none in common."""
        start = max(self.start, other.start)
        return Share(start, max(start, min(self.stop, other.stop)))

    def within(self, outer: Share) -> slice:
        """Where these classes stand among the rows of `outer`, which must hold them."""
        return slice(self.start - outer.start, self.stop - outer.start)


def share(classes: int, rank: int, ranks: int) -> Share:
    """The classes of 0..classes-1 that rank `rank` of `ranks` holds."""
    if classes < 1:
        raise ValueError(f"a head needs at least one class; it was given {classes}")
    if not 0 <= rank < ranks:
        raise ValueError(f"rank {rank} is outside 0..{ranks - 1}")
    most = -(-classes // ranks)
    return Share(min(rank * most, classes), min((rank + 1) * most, classes))


def shares(classes: int, ranks: int) -> list[Share]:
    """The share of every rank, in order."""
    return [share(classes, rank, ranks) for rank in range(ranks)]
