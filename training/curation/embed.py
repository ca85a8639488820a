"""Any records -> their features, made once and kept; an alignment's are taken where it left them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faces.analyzer import Analyzer
from faces.pack_source import cache_folder
from training.curation.features import Features, new_part, part_rows
from training.curation.marks import MARK, Marks, mark
from training.curation.steps import Steps
from training.curation.work import WORK
from training.data.records import BadRecord, FaceRecords

PART = 8192
_BATCH = 32


def features_folder(source: Path, digest: str, contract_id: str) -> Path:
    """Where the features of a source belong: its .work after an alignment, else the cache of this user."""
    beside = source / WORK
    if (beside / "align.json").exists() and f"({contract_id}," in (beside / "align.json").read_text("utf-8"):
        return beside
    return _cached(digest, contract_id)


def featured(
    source: Path, records: FaceRecords, digest: str, analyzer: Analyzer, *, workers: int, steps: Steps
) -> tuple[Features, Path]:
    """The features of all records and the folder they lie in; computes those that are not there.

    digest: the set's fingerprint. workers: threads with a batch each. A row of zeros stands for a record that
    cannot be decoded.
    """
    folder = features_folder(source, digest, analyzer.contract_id)
    whole = Features(folder, analyzer.dimension)
    if len(whole) == len(records):
        return whole, folder
    if folder.name == WORK:
        # They were deleted, or the shards are not the alignment's any more.
        folder = _cached(digest, analyzer.contract_id)
    folder.mkdir(parents=True, exist_ok=True)
    with steps("embedding", len(records)) as advance, ThreadPoolExecutor(workers) as pool:
        for number, start in enumerate(range(0, len(records), PART)):
            stop = min(start + PART, len(records))
            if part_rows(folder, number, analyzer.dimension) != stop - start:
                with new_part(folder, number) as part:
                    batches = [range(at, min(at + _BATCH, stop)) for at in range(start, stop, _BATCH)]
                    for rows, marks in _ahead(pool, records, analyzer, batches, workers):
                        part.add(rows, marks)
                        advance(len(rows))
            else:
                advance(stop - start)
    return Features(folder, analyzer.dimension), folder


def fingerprint(source: Path, records: FaceRecords) -> str:
    """Changes when the records do, as far as names, sizes and times of files and the labels tell."""
    total = hashlib.sha256(np.ascontiguousarray(records.labels, "<i8").tobytes())
    place = source.resolve()
    total.update(f"{place}\n{len(records)}\n".encode())
    files = (
        [place]
        if place.is_file()
        else sorted(path for path in place.glob("*.*") if path.suffix in (".tar", ".rec"))
    )
    if files:
        for path in files:
            facts = path.stat()
            total.update(json.dumps([path.name, facts.st_size, facts.st_mtime_ns]).encode())
    else:
        for record in range(len(records)):
            name = records.name(record)
            facts = (place / name).stat()
            total.update(json.dumps([name, facts.st_size, facts.st_mtime_ns]).encode())
    return total.hexdigest()[:24]


def _cached(digest: str, contract_id: str) -> Path:
    return cache_folder() / "curation" / contract_id / digest


def _ahead(
    pool: ThreadPoolExecutor, records: FaceRecords, analyzer: Analyzer, batches: list[range], workers: int
) -> Iterator[tuple[NDArray[np.float32], Marks]]:
    """The features of the batches in order, with two batches a worker under way."""
    waiting = iter(batches)
    running = [pool.submit(_batch, records, analyzer, batch) for batch in islice(waiting, 2 * workers)]
    while running:
        yield running.pop(0).result()
        running += [pool.submit(_batch, records, analyzer, batch) for batch in islice(waiting, 1)]


def _batch(records: FaceRecords, analyzer: Analyzer, batch: range) -> tuple[NDArray[np.float32], Marks]:
    rows = np.zeros((len(batch), analyzer.dimension), np.float32)
    marks = np.zeros(len(batch), MARK)
    crops, at = [], []
    for place, record in enumerate(batch):
        try:
            crop = records.image(record)
            marks[place] = mark(records.encoded(record), crop)
        except BadRecord:
            continue
        crops.append(crop)
        at.append(place)
    if crops:
        rows[at] = analyzer.embed_crops(np.stack(crops))
    return rows, marks
