"""`cocircle evaluate cfp-fp, cfp-ff, agedb-30, calfw, cplfw, bin, pairs`: 1:1 sets; asks, evaluation/ measures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from evaluation.datasets.cfp import Protocol, open_cfp
from evaluation.datasets.insightface_bin import open_bin
from evaluation.datasets.pair_folders import AGEDB_30, CALFW, CPLFW, Layout, open_pair_folder
from evaluation.datasets.pairs import PairSet
from evaluation.datasets.pairs_csv import open_pairs_csv
from evaluation.embedding.sources import EmbeddingSource, PackEmbeddings
from evaluation.report.contact_sheet import MOST_ROWS
from evaluation.report.protocol_result import ProtocolResult
from evaluation.resampling import RESAMPLES
from evaluation.verification.run import SEED, PairScores, judged_pairs, score_pairs
from evaluation.verification.worst_pairs import Show, WorstAt, subject_crop, worst_sheet
from faces.analyzer import Analyzer
from serving.cli.console import err
from serving.cli.evaluate.options import Aligned, Seed, Sources, protocol

Data = Annotated[Path, typer.Option(help="Folder of the set, with its list of pairs.", metavar="DIR")]
Images = Annotated[
    Path | None,
    typer.Option(help="Folder or tar of the images, where they are not at their usual place.", metavar="DIR"),
]
Worst = Annotated[
    Path | None,
    typer.Option(
        help="Write the pairs judged most wrongly as one picture. It shows faces and names: keep it as you keep the "
        "photos.",
        metavar="JPG",
    ),
]
WorstCount = Annotated[
    int, typer.Option(min=1, max=MOST_ROWS, help="False non-matches and false matches on it, each at most.")
]
WorstThreshold = Annotated[
    WorstAt, typer.Option(help="What is wrong: at the equal error rate, or at a FAR of 1e-3.")
]
Resamples = Annotated[int, typer.Option(min=1, max=100_000, help="Draws for each interval.")]


@dataclass(frozen=True)
class _Asked:
    """What the options ask for beside the data; `folds` to be drawn where a set has none."""

    sources: Sources
    resamples: int
    seed: int
    worst: Path | None
    worst_count: int
    worst_at: WorstAt
    folds: int | None = None


def _published(
    name: str, about: str, opened: Callable[[Path, bool, Path | None], PairSet]
) -> Callable[..., None]:
    """The command of a set that lies in a folder as its authors laid it out."""

    def measure(
        sources: Sources,
        data: Data,
        images: Images = None,
        aligned: Aligned = False,
        resamples: Resamples = RESAMPLES,
        seed: Seed = SEED,
        worst: Worst = None,
        worst_count: WorstCount = 20,
        worst_at: WorstThreshold = WorstAt.EER,
    ) -> list[ProtocolResult]:
        asked = _Asked(sources, resamples, seed, worst, worst_count, worst_at)
        return _measured({data: lambda: opened(data, aligned, images)}, asked)

    measure.__name__ = name
    measure.__doc__ = about
    return protocol(measure)


@protocol
def insightface_bin(
    sources: Sources,
    files: Annotated[
        list[Path], typer.Argument(help="lfw.bin, cfp_fp.bin, agedb_30.bin, ...", metavar="FILE...")
    ],
    resamples: Resamples = RESAMPLES,
    seed: Seed = SEED,
    worst: Worst = None,
    worst_count: WorstCount = 20,
    worst_at: WorstThreshold = WorstAt.EER,
) -> list[ProtocolResult]:
    """InsightFace's .bin files of aligned pairs, read without unpickling: ten-fold accuracy, TAR at FAR, EER."""
    if len({path.name for path in files}) < len(files):
        raise typer.BadParameter("files of one name cannot be told apart in a table", param_hint="FILE")
    asked = _Asked(sources, resamples, seed, worst, worst_count, worst_at)
    return _measured({path: partial(open_bin, path) for path in files}, asked)


@protocol
def pairs(
    sources: Sources,
    file: Annotated[Path, typer.Argument(help="CSV of left,right,same and perhaps fold.", metavar="CSV")],
    images: Images = None,
    aligned: Aligned = False,
    folds: Annotated[
        int | None, typer.Option(min=2, max=1000, help="Draw so many folds, where the file has none.")
    ] = None,
    resamples: Resamples = RESAMPLES,
    seed: Seed = SEED,
    worst: Worst = None,
    worst_count: WorstCount = 20,
    worst_at: WorstThreshold = WorstAt.EER,
) -> list[ProtocolResult]:
    """Pairs of your own: TAR at FAR and EER with intervals, and accuracy where there are folds."""
    asked = _Asked(sources, resamples, seed, worst, worst_count, worst_at, folds)
    return _measured({file: lambda: open_pairs_csv(file, aligned=aligned, images=images)}, asked)


def _measured(sets: Mapping[Path, Callable[[], PairSet]], asked: _Asked) -> list[ProtocolResult]:
    """Every source on every set; a set is opened when its turn comes, so that one at a time lies in memory."""
    chosen = asked.sources.opened()
    if asked.worst is not None and len(chosen) * len(sets) != 1:
        raise typer.BadParameter(
            f"shows one pack on one set; {len(chosen)} on {len(sets)} were named", param_hint="--worst"
        )
    found = []
    for path, opened in sets.items():
        with err.status(f"reading {path}"):
            data = opened()
        for source in chosen:
            scores = score_pairs(source, data)
            with err.status(f"judging {data.title}"):
                found.append(
                    judged_pairs(
                        source, data, scores, folds=asked.folds, resamples=asked.resamples, seed=asked.seed
                    )
                )
            if asked.worst is not None:
                _write_worst(asked.worst, source, data, scores, asked)
    return found


def _write_worst(
    path: Path, source: EmbeddingSource, data: PairSet, scores: PairScores, asked: _Asked
) -> None:
    shown = _shown(source, data, asked.sources.threads)
    sheet = worst_sheet(data, scores, source.name, at=asked.worst_at, count=asked.worst_count, show=shown)
    path.write_bytes(sheet)
    err.print(f"{path}: faces and names of the pairs judged most wrongly", soft_wrap=True, markup=False)


def _shown(source: EmbeddingSource, data: PairSet, threads: int) -> Show:
    """The crops that were compared, and where no pack is at hand to find them, the photos."""
    if data.aligned or not isinstance(source, PackEmbeddings):
        return lambda image: image
    analyzer = Analyzer(source.pack, threads=threads)
    return lambda photo: subject_crop(analyzer, photo)


def _cfp(protocol: Protocol) -> Callable[[Path, bool, Path | None], PairSet]:
    return lambda data, aligned, images: open_cfp(data, protocol, aligned=aligned, images=images)


def _folder(layout: Layout) -> Callable[[Path, bool, Path | None], PairSet]:
    return lambda data, aligned, images: open_pair_folder(layout, data, aligned=aligned, images=images)


cfp_fp = _published(
    "cfp_fp", "CFP, frontal against profile: ten-fold accuracy on 7,000 pairs, TAR at FAR, EER.", _cfp("FP")
)
cfp_ff = _published(
    "cfp_ff", "CFP, frontal against frontal: ten-fold accuracy on 7,000 pairs, TAR at FAR, EER.", _cfp("FF")
)
agedb_30 = _published(
    "agedb_30",
    "AgeDB-30, thirty years between the photos: ten-fold accuracy on 6,000 pairs, TAR at FAR, EER.",
    _folder(AGEDB_30),
)
calfw = _published(
    "calfw", "Cross-Age LFW: ten-fold accuracy on 6,000 pairs, TAR at FAR, EER.", _folder(CALFW)
)
cplfw = _published(
    "cplfw", "Cross-Pose LFW: ten-fold accuracy on 6,000 pairs, TAR at FAR, EER.", _folder(CPLFW)
)

COMMANDS: Mapping[str, Callable[..., None]] = {
    "cfp-fp": cfp_fp,
    "cfp-ff": cfp_ff,
    "agedb-30": agedb_30,
    "calfw": calfw,
    "cplfw": cplfw,
    "bin": insightface_bin,
    "pairs": pairs,
}
"""What `cocircle evaluate` calls each of them."""
