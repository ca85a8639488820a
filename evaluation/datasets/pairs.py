"""Pairs of images with the answer whether they show one person, as every 1:1 data set gives them; reads no file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from evaluation.datasets.images import DatasetError, Images

FOLDS = 10


@dataclass(frozen=True)
class Pair:
    """Two image names, such as `Person/Person_0001.jpg`, whether they show one person, and the fold, 0 upwards."""

    left: str
    right: str
    same: bool
    fold: int


@dataclass(frozen=True)
class PairSet:
    """A 1:1 data set on disk.

    protocol: short key, "cfp-fp". title: for people. pairs: in the order of the list. folds: how `Pair.fold` came
    about, as a sentence; empty where the data set has no folds and `Pair.fold` says nothing. images: those that the
    pairs name. aligned: whether they are aligned 112x112 crops, else photos. lists: what the pairs were read from,
    for people; lists_digest: its SHA-256. people: the person of each image name, None where that is not known.
    remarks: sentences on what was found in the lists that a reader of the figures must know.
    """

    protocol: str
    title: str
    pairs: tuple[Pair, ...]
    folds: str
    images: Images
    aligned: bool
    lists: str
    lists_digest: str
    people: Mapping[str, str] | None = None
    remarks: tuple[str, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """The image names of all pairs."""
        return names_of(self.pairs)


def names_of(pairs: Sequence[Pair]) -> frozenset[str]:
    """All image names that the pairs hold."""
    return frozenset(name for pair in pairs for name in (pair.left, pair.right))


def equal_runs(count: int, folds: int = FOLDS) -> list[int]:
    """(count,) the fold of each, in order: runs of one length, the first ones longer by one where that must be."""
    length, longer = divmod(count, folds)
    return [fold for fold in range(folds) for _ in range(length + (fold < longer))]


def list_folds(same: Sequence[bool], where: str, folds: int = FOLDS) -> tuple[list[int], str]:
    """The fold of each pair of a list that names none, and how it came about as a sentence.

    Equal runs in order; where such a run would hold one kind of pair alone, as in lists that put all genuine pairs
    first, equal runs of each kind. DatasetError with fewer than `folds` pairs of a kind.
    """
    genuine = sum(same)
    if min(genuine, len(same) - genuine) < folds:
        raise DatasetError(
            f"{where} has {genuine} genuine and {len(same) - genuine} impostor pairs; {folds} folds need {folds} of "
            "each"
        )
    runs = equal_runs(len(same), folds)
    if all(
        len({kind for kind, run in zip(same, runs, strict=True) if run == fold}) == 2 for fold in range(folds)
    ):
        return runs, f"the list cut into {folds} equal runs, in order"
    of_kind = {True: iter(equal_runs(genuine, folds)), False: iter(equal_runs(len(same) - genuine, folds))}
    return (
        [next(of_kind[kind]) for kind in same],
        f"genuine and impostor pairs each cut into {folds} equal runs, in order",
    )


def check_kinds(pairs: Sequence[Pair], where: str, *, folded: bool) -> None:
    """DatasetError without a genuine or an impostor pair, also outside of any fold, or with one fold alone."""
    _both_kinds(pairs, where)
    if not folded:
        return
    folds = sorted({pair.fold for pair in pairs})
    if len(folds) < 2:
        raise DatasetError(f"{where} names one fold alone; cross-validation needs two, or no folds at all")
    for fold in folds:
        _both_kinds([pair for pair in pairs if pair.fold != fold], f"{where}, outside fold {fold + 1},")


def known_people(
    pairs: Sequence[Pair], person_of: Callable[[str], str | None]
) -> tuple[dict[str, str] | None, tuple[str, ...]]:
    """The person of each name by a rule, and remarks.

    None in place of people where the rule has no answer for some name, or contradicts what a pair says; a remark
    tells of the contradictions.
    """
    people: dict[str, str] = {}
    for name in sorted(names_of(pairs)):
        person = person_of(name)
        if person is None:
            return None, ()
        people[name] = person
    wrong = [pair for pair in pairs if (people[pair.left] == people[pair.right]) != pair.same]
    if not wrong:
        return people, ()
    first = wrong[0]
    return None, (
        f"The names of the images contradict the list in {len(wrong):,} of its pairs, the first of them {first.left} "
        f"and {first.right}; the list is believed.",
    )


def self_pairs(pairs: Sequence[Pair]) -> tuple[str, ...]:
    """A remark where pairs compare an image with itself, which is no test; they count all the same."""
    count = sum(pair.left == pair.right for pair in pairs)
    if not count:
        return ()
    return (f"In {count:,} of the pairs an image is compared with itself; they count like all others.",)


def _both_kinds(pairs: Sequence[Pair], where: str) -> None:
    genuine = sum(pair.same for pair in pairs)
    if genuine == 0 or genuine == len(pairs):
        missing = "genuine" if genuine == 0 else "impostor"
        raise DatasetError(f"{where} has no {missing} pair among its {len(pairs)}; both kinds are needed")
