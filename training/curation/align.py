"""Photos -> shards of aligned faces, by several threads, going on where a killed run ended; reports nothing.

The shards depend on the photos and the options alone: not on threads, nor on how often the run was cut off.
"""

from __future__ import annotations

import itertools
import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2

from faces.analyzer import Analyzer
from training.atomic import replaced
from training.curation.admission import Decided, LeftOut, Passing, Record, decided
from training.curation.errors import CurationError
from training.curation.features import PartWriter, new_part
from training.curation.outcome import Aligner, Outcome, Rejected
from training.curation.photos import Found, NotFollowed, Photo, Photos
from training.curation.steps import Steps
from training.curation.work import Note, Standing, Work
from training.data.shard_writer import Sample, write_shard

_AHEAD = 16
"""Photos a thread that may be finished before the one they wait for."""


@dataclass(frozen=True)
class AlignOptions:
    """What the shards depend on beside photos and pack.

    quality: of the JPEGs, 1..100. rival: see outcome.subject, 0..1. per_shard: records. fewest: faces of an
    identity; one with fewer is left out.
    """

    quality: int = 95
    rival: float = 0.5
    per_shard: int = 10_000
    fewest: int = 1

    def __post_init__(self) -> None:
        for name, least, most in (
            ("quality", 1, 100),
            ("rival", 0, 1),
            ("per_shard", 1, 10**9),
            ("fewest", 1, 10**9),
        ):
            value = getattr(self, name)
            if not least <= value <= most:
                raise CurationError(f"{name} must lie within {least}..{most}; it is {value}")


def align_photos(
    photos: Photos, out: Path, analyzer: Analyzer, options: AlignOptions, *, workers: int, steps: Steps
) -> Standing:
    """Align whatever is not aligned yet. The analyzer's limits judge the faces.

    workers: threads, each with a photo of its own; give the analyzer one thread a run. CurationError as of
    Work.claimed, and where OUT and the photos lie inside one another.
    """
    _apart(photos.root, out)
    work = Work(out)
    with work.claimed(_arguments(photos, analyzer, options)) as standing:
        if not standing.done:
            with steps("counting photos", None):
                total = photos.count()
            done = standing.last.photos if standing.last is not None else 0
            with steps("aligning", total, done) as advance:
                _align(
                    work,
                    standing,
                    photos,
                    Aligner(analyzer, photos, quality=options.quality, rival=options.rival),
                    options,
                    workers,
                    advance,
                )
        work.finish(standing)
        return standing


def _align(
    work: Work,
    standing: Standing,
    photos: Photos,
    aligner: Aligner,
    options: AlignOptions,
    workers: int,
    advance: Callable[[int], None],
) -> None:
    last = standing.last
    after = Photo(last.identity, last.file) if last is not None else None
    counted = _Counted(last.photos if last is not None else 0)
    with _outcomes(photos.walk(after), aligner, workers, advance) as passing:
        stream = decided(
            passing,
            options.fewest,
            next_label=standing.classes,
            within=(last.identity, last.label) if last is not None else None,
        )
        while not standing.done:
            number = len(standing.notes)
            note = _shard(work, number, stream, standing.records, options.per_shard, counted)
            work.note(number, note)
            standing.notes.append(note)


@dataclass
class _Counted:
    photos: int

    def took(self, item: Decided) -> None:
        self.photos += item.accepted if isinstance(item, LeftOut) else isinstance(item, Record | Rejected)


def _shard(
    work: Work, number: int, stream: Iterator[Decided], start: int, most: int, counted: _Counted
) -> Note:
    """The next shard, of `most` records or all that are left, with its features and its journal."""
    with new_part(work.folder, number) as part, replaced(work.journal(number)) as journal:
        taken = _Taken(stream, start, most, counted, part, journal.write)
        samples = iter(taken)
        first = next(samples, None)
        if first is not None:
            write_shard(work.shard(number), itertools.chain([first], samples))
    return taken.note()


class _Taken:
    """The samples of one shard; what passes by on the way goes into the part and the journal."""

    def __init__(
        self,
        stream: Iterator[Decided],
        start: int,
        most: int,
        counted: _Counted,
        part: PartWriter,
        tell: Callable[[bytes], object],
    ) -> None:
        self._stream, self._start, self._most, self._counted = stream, start, most, counted
        self._part, self._tell = part, tell
        self._classes: list[str] = []
        self._records = 0
        self._done = False
        self._last: Record | None = None

    def __iter__(self) -> Iterator[Sample]:
        for item in self._stream:
            self._counted.took(item)
            if not isinstance(item, Record):
                self._tell(json.dumps(_event(item)).encode() + b"\n")
                continue
            self._last = item
            if item.first:
                self._classes.append(item.face.photo.identity)
            self._part.add(item.face.embedding, item.face.mark)
            key = f"{self._start + self._records:09d}"
            self._records += 1
            yield Sample(key, item.face.image, item.label, {"name": item.face.photo.name})
            if self._records == self._most:
                return
        self._done = True

    def note(self) -> Note:
        photo = self._last.face.photo if self._last is not None else Photo("", "")
        label = self._last.label if self._last is not None else -1
        return Note(
            self._records, self._classes, photo.identity, photo.file, label, self._counted.photos, self._done
        )


def _event(item: Rejected | NotFollowed | LeftOut) -> dict[str, Any]:
    if isinstance(item, Rejected):
        return {"photo": item.photo.name, "reasons": list(item.reasons), "message": item.message}
    if isinstance(item, NotFollowed):
        return {"link": f"{item.identity}/{item.file}".removesuffix("/")}
    return {"identity": item.identity, "accepted": item.accepted}


@contextmanager
def _outcomes(
    found: Iterable[Found], aligner: Aligner, workers: int, advance: Callable[[int], None]
) -> Iterator[Iterator[Passing]]:
    """What was found, each photo as its outcome, in the same order; photos are looked at ahead of the consumer."""
    pool = ThreadPoolExecutor(workers, thread_name_prefix="align")
    try:
        yield _in_order(iter(found), aligner, pool, workers * _AHEAD, advance)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _in_order(
    found: Iterator[Found],
    aligner: Aligner,
    pool: ThreadPoolExecutor,
    ahead: int,
    advance: Callable[[int], None],
) -> Iterator[Passing]:
    waiting: deque[Passing | Future[Outcome]] = deque()
    while True:
        for item in itertools.islice(found, ahead - len(waiting)):
            waiting.append(pool.submit(aligner, item) if isinstance(item, Photo) else item)
        if not waiting:
            return
        first = waiting.popleft()
        if isinstance(first, Future):
            yield first.result()
            advance(1)
        else:
            yield first


def _arguments(photos: Photos, analyzer: Analyzer, options: AlignOptions) -> dict[str, Any]:
    pack = analyzer.pack
    return {
        "photos": str(photos.root),
        "pack": f"{pack.name} ({analyzer.contract_id}, detector {pack.detector.model.sha256[:16]})",
        **asdict(options),
        "limits": asdict(analyzer.limits),
        # Another release of the codec may write other bytes.
        "opencv": cv2.__version__,
    }


def _apart(photos: Path, out: Path) -> None:
    there = out.resolve()
    if there == photos or photos in there.parents or there in photos.parents:
        raise CurationError(
            f"the output {out} and the photos {photos} lie inside one another; choose an output elsewhere"
        )
