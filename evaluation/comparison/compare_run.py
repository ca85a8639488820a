"""Two packs on one data set, from embeddings to the answer whether one is better; prints nothing.

Accuracy is judged on pairs in folds by McNemar's exact test, TAR at a FAR by drawing people anew for both packs at
once. LFW brings its pairs along. From a folder a person, pairs for the accuracy are drawn, and TAR takes all there are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.all_pairs.genuine import GenuinePairs, genuine_pairs
from evaluation.all_pairs.impostors import count_all_pairs
from evaluation.all_pairs.strongest import StrongestPairs, lowest_for, strongest_pairs
from evaluation.calibration.curve import ERRORS_NEEDED
from evaluation.comparison.paired import (
    Difference,
    McNemar,
    PackScores,
    accuracy_difference,
    mcnemar,
    sentence,
    tar_difference,
)
from evaluation.datasets.images import DatasetError
from evaluation.datasets.lfw import Lfw, person_of
from evaluation.datasets.pairs import Pair
from evaluation.datasets.people_folder import PeopleFolder, drawn_pairs
from evaluation.embedding.people import PeopleEmbeddings, embed_people
from evaluation.embedding.sources import EmbeddingSource
from evaluation.provenance import versions
from evaluation.report.protocol_result import ProtocolResult, Table
from evaluation.resampling import RESAMPLES
from evaluation.verification.measures import Scores, fold_accuracy, pair_cosines

LFW_FARS = (1e-1, 1e-2)
"""Rates with thirty of LFW's 3,000 impostor pairs at least. At 1e-3 it is three, and which of them a draw holds decides
everything: the interval of a difference then spans ten percentage points.
"""

FOLDER_FARS = (1e-2, 1e-3, 1e-4, 1e-5)

NOTES = (
    "Both packs judge the same pairs, so the interval is of their difference, not of either; it comes from drawing "
    "people anew for both at once. A difference whose interval holds 0 is none that this data can show.",
    "p of the accuracy is McNemar's exact test on the pairs that only one pack has right; each fold's threshold is "
    "chosen on the others, by each pack for itself. It takes pairs as independent, which those that share a person are "
    "not quite. p of TAR is twice the share of draws on the other side of 0.",
    "Several figures are tested here, each by itself: among twenty of them one falls below p = 5 % by chance.",
)


@dataclass(frozen=True)
class _Compared:
    """pairs: judged for accuracy. cosines: (N,) of them, of each pack. tars: differences by FAR."""

    pairs: tuple[Pair, ...]
    cosines: tuple[Scores, Scores]
    tars: Mapping[float, Difference]


def compare_lfw(
    a: EmbeddingSource, b: EmbeddingSource, lfw: Lfw, *, resamples: int = RESAMPLES, seed: int = 0
) -> ProtocolResult:
    """On the pairs of LFW, the face nearest the middle of each photo, none dropped."""
    cosines = []
    for source in (a, b):
        embedded = source.photos(lfw.images)
        rows = embedded.rows
        left, right = ([rows[getattr(pair, side)] for pair in lfw.pairs] for side in ("left", "right"))
        cosines.append(pair_cosines(embedded.central, left, right))
    of_a, of_b = (listed_scores(lfw.pairs, scores) for scores in cosines)
    tars = {far: tar_difference(of_a, of_b, far, resamples=resamples, seed=seed) for far in LFW_FARS}
    data = {
        "images": f"{len(lfw.images.names)} photos of LFW, SHA-256 {lfw.images.digest}",
        "pairs": f"{len(lfw.pairs)} pairs, SHA-256 {lfw.pairs_digest}",
    }
    notes = (
        *NOTES,
        "At a false accept rate of 0.001 three impostor pairs decide, too few to compare packs by.",
    )
    return _result(a, b, _Compared(lfw.pairs, (cosines[0], cosines[1]), tars), notes, data, resamples, seed)


def compare_people(
    a: EmbeddingSource, b: EmbeddingSource, folder: PeopleFolder, *, resamples: int = RESAMPLES, seed: int = 0
) -> ProtocolResult:
    """On a folder a person: accuracy on drawn pairs, TAR on all pairs. Photos in which either pack finds no face are
    left out for both.
    """
    of_a, of_b = (embed_people(source, folder) for source in (a, b))
    common = frozenset(of_a.names) & frozenset(of_b.names)
    of_a, of_b = of_a.only(common), of_b.only(common)
    pairs = drawn_pairs(of_a.names, seed=seed)
    people = len(set(of_a.people))
    fars = [far for far in FOLDER_FARS if far * people * (people - 1) / 2 >= ERRORS_NEEDED]
    scores_a, scores_b = (_all_scores(one, fars) for one in (of_a, of_b))
    tars = {far: tar_difference(scores_a, scores_b, far, resamples=resamples, seed=seed) for far in fars}
    cosines = (_cosines_of(of_a, pairs), _cosines_of(of_b, pairs))
    left_out = len(folder.images.names) - len(common)
    notes = [
        *NOTES,
        f"Accuracy is of {len(pairs)} pairs drawn from the folder with seed {seed}; TAR is of all pairs, a vote a "
        "person and a vote a pair of people. The largest face of a photo counts.",
    ]
    if left_out:
        notes.append(f"{left_out} photos were left out in which a pack found no face.")
    if len(fars) < len(FOLDER_FARS):
        absent = ", ".join(f"{far:g}" for far in FOLDER_FARS if far not in fars)
        notes.append(f"{people} people are too few for a false accept rate of {absent}.")
    compared = _Compared(pairs, cosines, tars)
    return _result(a, b, compared, notes, {"photos": folder.described}, resamples, seed)


def listed_scores(pairs: Sequence[Pair], cosines: Scores) -> PackScores:
    """A protocol's pairs (N,) with their cosines (N,), each pair one vote."""
    left, right, people = _people_of(pairs)
    same = np.array([pair.same for pair in pairs])
    rising = np.flatnonzero(same)[np.argsort(cosines[same], kind="stable")]
    falling = np.flatnonzero(~same)[np.argsort(-cosines[~same], kind="stable")]
    nowhere = np.full(falling.size, -1, np.int64)
    return PackScores(
        GenuinePairs(cosines[rising], left[rising], np.ones(rising.size), people),
        StrongestPairs(
            cosines=cosines[falling],
            left=nowhere,
            right=nowhere,
            left_person=left[falling],
            right_person=right[falling],
            votes=np.ones(falling.size),
            people=people,
            lowest=-1.0,
        ),
        listed=True,
    )


def _all_scores(embedded: PeopleEmbeddings, fars: Sequence[float]) -> PackScores:
    pairs = count_all_pairs(embedded.rows, embedded.people)
    # Draws vary: a rate of three times the highest FAR is kept, so that none runs out of pairs.
    lowest = lowest_for(pairs, min(1.0, 3 * max(fars, default=0.01)), most=3_000_000)
    strongest = strongest_pairs(embedded.rows, embedded.people, lowest)
    return PackScores(genuine_pairs(embedded.rows, embedded.people), strongest, listed=False)


def _cosines_of(embedded: PeopleEmbeddings, pairs: Sequence[Pair]) -> Scores:
    row = {name: at for at, name in enumerate(embedded.names)}
    return pair_cosines(
        embedded.rows, [row[pair.left] for pair in pairs], [row[pair.right] for pair in pairs]
    )


def _people_of(pairs: Sequence[Pair]) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """The numbers of both people of each pair, and how many people there are. A genuine pair is of one person, whatever
    the names of its images are.
    """
    names = sorted({person_of(name) for pair in pairs for name in (pair.left, pair.right)})
    number = {name: at for at, name in enumerate(names)}
    left = np.array([number[person_of(pair.left)] for pair in pairs])
    right = np.array([number[person_of(pair.left if pair.same else pair.right)] for pair in pairs])
    return left, right, len(names)


def _right(pairs: Sequence[Pair], cosines: Scores) -> tuple[NDArray[np.bool_], float]:
    """(N,) which pairs a pack judges rightly, each by the threshold of its fold; and the mean accuracy of the folds."""
    same = np.array([pair.same for pair in pairs])
    folds = np.array([pair.fold for pair in pairs])
    accuracy = fold_accuracy(cosines, same, folds)
    threshold = dict(zip(np.unique(folds).tolist(), accuracy.thresholds, strict=True))
    of_pair = np.array([threshold[fold] for fold in folds.tolist()])
    return (cosines >= of_pair) == same, accuracy.mean


def _result(
    a: EmbeddingSource,
    b: EmbeddingSource,
    compared: _Compared,
    notes: Sequence[str],
    data: Mapping[str, str],
    resamples: int,
    seed: int,
) -> ProtocolResult:
    right_a, mean_a = _right(compared.pairs, compared.cosines[0])
    right_b, mean_b = _right(compared.pairs, compared.cosines[1])
    test = mcnemar(right_a, right_b)
    left, right, people = _people_of(compared.pairs)
    accuracy = accuracy_difference(right_a, right_b, left, right, people, resamples=resamples, seed=seed)
    differences = {"accuracy": accuracy}
    differences |= {f"TAR at FAR {far:g}": difference for far, difference in compared.tars.items()}
    sentences = tuple(sentence(what, a.name, b.name, found) for what, found in differences.items())
    subject = f"{b.name} against {a.name}"
    return ProtocolResult(
        protocol="compare",
        title="Two packs on the same pairs",
        subject=subject,
        contract_id=f"{a.contract_id}-{b.contract_id}",
        notes=(*sentences, *notes),
        tables=(_table(subject, a, b, len(compared.pairs), differences, test),),
        figures={
            "a": a.name,
            "b": b.name,
            "pairs": len(compared.pairs),
            "people": people,
            "fold_accuracy": {"a": mean_a, "b": mean_b},
            "mcnemar": test,
            "differences": differences,
            "sentences": list(sentences),
            "resamples": resamples,
            "seed": seed,
        },
        data=data,
        versions=versions(),
    )


def _table(
    subject: str,
    a: EmbeddingSource,
    b: EmbeddingSource,
    pairs: int,
    differences: Mapping[str, Difference],
    test: McNemar,
) -> Table:
    rows: list[list[str]] = [["", subject]]
    for what, found in differences.items():
        low, high = 100 * found.interval.low, 100 * found.interval.high
        rows += [
            [f"{what}, {a.name}, %", f"{100 * found.a:.2f}"],
            [f"{what}, {b.name}, %", f"{100 * found.b:.2f}"],
            [f"{what}, difference", f"{100 * found.value:+.2f} ({low:+.2f} to {high:+.2f})"],
            [f"{what}, p", f"{found.p:.4f}"],
        ]
    rows += [
        [f"pairs that only {a.name} has right", str(test.only_a)],
        [f"pairs that only {b.name} has right", str(test.only_b)],
        ["pairs that both have wrong", str(test.neither)],
    ]
    return Table.of(f"Compared on {pairs:,} pairs", rows)


def check_two(sources: Sequence[Any]) -> None:
    """DatasetError where there are not exactly two packs to compare."""
    if len(sources) != 2:
        raise DatasetError(f"a comparison takes two packs or files of embeddings; {len(sources)} were given")
