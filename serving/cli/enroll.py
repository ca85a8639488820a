"""`cocircle enroll`: photos or templates into a collection, with progress; run again, it continues where it was."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from itertools import groupby, islice
from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer

from serving.cli.console import (
    EXIT_ERROR,
    EXIT_NO,
    ApiKey,
    Home,
    Json,
    Pack,
    Url,
    client,
    out,
    photo_progress,
    tell_error,
    told_errors,
)
from serving.client import ApiFailure, Client
from serving.jobs.sources.folder import Folder
from serving.jobs.sources.source import PHOTO_ENDINGS
from serving.settings import read_settings

PHOTOS_A_REQUEST = 8


@dataclass(frozen=True)
class Photo:
    """A file and whom it shows."""

    person: str
    path: Path


@dataclass
class Report:
    """What became of a source. enrolled: photos of it that are enrolled now, `already` of them from before.

    rejected, failed: file, reasons and message each; what failed may succeed another time. job: its id, if there is
    one.
    """

    enrolled: int = 0
    persons: int = 0
    seconds: float = 0.0
    rejected: list[dict[str, object]] = field(default_factory=list)
    already: int = 0
    failed: list[dict[str, object]] = field(default_factory=list)
    photos_per_second: float = 0.0
    job: str | None = None


def enroll(
    source: Annotated[
        Path,
        typer.Argument(
            help="A folder of PERSON/PHOTO.jpg or of PERSON.jpg files; a .tar of such; a .csv or .jsonl list of "
            "person and file; templates as .jsonl or .npz."
        ),
    ],
    collection: Annotated[str, typer.Option("--collection", "-c", help="Made when there is none yet.")],
    quality: Annotated[
        str, typer.Option(help="auto refuses unfit faces with reasons; none takes all.")
    ] = "auto",
    faces: Annotated[
        str, typer.Option(help="one refuses photos of several people; largest takes the largest.")
    ] = "one",
    contract: Annotated[
        str | None, typer.Option(help="Model contract of templates, where their file does not say it.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Batches, or requests, at the same time.")] = 2,
    url: Url = None,
    key: ApiKey = None,
    home: Home = None,
    pack: Pack = None,
    as_json: Json = False,
) -> None:
    """Enrols a source by a job that survives Ctrl-C, kill and power loss: the same command goes on with it.

    Each sub-folder is a person, or each file by its name. Photos already enrolled are recognised by their content
    and not enrolled twice. With --url a folder is sent in requests.
    """
    with told_errors():
        if url is not None:
            report = _by_requests(source, collection, quality, faces, workers, url, key)
        else:
            from serving.cli.enroll_job import enrol_by_job, options_of

            options = options_of(source, quality, faces, contract)
            report = enrol_by_job(read_settings(home=home, pack=pack), collection, options, workers)
    if as_json:
        sys.stdout.write(json.dumps(asdict(report), indent=2) + "\n")
    else:
        _tell(report, collection)
    if report.failed:
        raise typer.Exit(EXIT_NO)


def _tell(report: Report, collection: str) -> None:
    before = f" ({report.already} of them before)" if report.already else ""
    failed = f"{len(report.failed)} failed, " if report.failed else ""
    out.print(
        f"{report.enrolled} photos of {report.persons} people enrolled into {collection}{before}, "
        f"{len(report.rejected)} rejected, {failed}{report.seconds:.1f} s, {report.photos_per_second:.1f} photos/s",
        soft_wrap=True,
    )
    for item in [*report.rejected, *report.failed]:
        out.print(f"  {item['file']}: {item['message']}", soft_wrap=True, markup=False)
    if report.failed:
        out.print("The same command tries what failed again.")


def _by_requests(
    folder: Path, collection: str, quality: str, faces: str, workers: int, url: str, key: str | None
) -> Report:
    photos = find_photos(folder)
    if not photos:
        tell_error(f"no photo ({' '.join(sorted(PHOTO_ENDINGS))}) in {folder}")
        raise typer.Exit(EXIT_ERROR)
    with client(url, key, None, None) as service:
        _make(service, collection)
        return enrol_photos(service, collection, photos, quality=quality, faces=faces, workers=workers)


def find_photos(folder: Path) -> list[Photo]:
    """The photos of a folder in a stable order. Raises FileNotFoundError."""
    if not folder.is_dir():
        raise FileNotFoundError(2, "no such folder", str(folder))
    listed = Folder(path=str(folder.absolute())).listing()
    return [Photo(item.person, folder / item.where["file"]) for item in listed if item.person is not None]


def enrol_photos(
    service: Client,
    collection: str,
    photos: list[Photo],
    *,
    quality: str = "auto",
    faces: str = "one",
    workers: int = 2,
) -> Report:
    """Enrols every photo, several requests at a time, and reports each rejection. Raises ApiFailure and OSError."""
    report = Report()
    begun = perf_counter()
    persons: set[str] = set()
    with photo_progress() as bar, ThreadPoolExecutor(workers) as pool:
        task = bar.add_task("enrolling", total=len(photos))
        running: dict[Future[tuple[int, list[dict[str, object]]]], list[Photo]] = {}
        batches = _batches(photos)
        while True:
            for batch in islice(batches, 2 * workers - len(running)):
                running[pool.submit(_enrol, service, collection, batch, quality, faces)] = batch
            if not running:
                break
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                batch = running.pop(future)
                enrolled, rejected = future.result()
                report.enrolled += enrolled
                report.rejected.extend(rejected)
                if enrolled:
                    persons.add(batch[0].person)
                bar.advance(task, len(batch))
    report.persons = len(persons)
    report.seconds = round(perf_counter() - begun, 3)
    report.photos_per_second = round(len(photos) / max(report.seconds, 1e-3), 2)
    report.rejected.sort(key=lambda item: str(item["file"]))
    return report


def _enrol(
    service: Client, collection: str, batch: list[Photo], quality: str, faces: str
) -> tuple[int, list[dict[str, object]]]:
    images = [photo.path.read_bytes() for photo in batch]
    person = batch[0].person
    digest = hashlib.sha256(f"{collection}\0{person}\0{quality}\0{faces}".encode())
    for image in images:
        digest.update(hashlib.sha256(image).digest())
    try:
        answer = service.enrol(
            collection,
            person,
            images,
            create=True,
            quality=quality,
            faces=faces,
            idempotency_key="enroll-" + digest.hexdigest(),
        )
    except ApiFailure as failure:
        if "rejected" not in failure.details:
            raise
        return 0, [_rejection(batch, item) for item in failure.details["rejected"]]
    return len(answer.enrolled), [_rejection(batch, item.model_dump()) for item in answer.rejected]


def _rejection(batch: list[Photo], item: dict[str, object]) -> dict[str, object]:
    at = item["index"]
    assert isinstance(at, int)
    return {"file": str(batch[at].path), "reasons": item["reasons"], "message": item["message"]}


def _batches(photos: list[Photo]) -> Iterator[list[Photo]]:
    for _, group in groupby(photos, key=lambda photo: photo.person):
        person = list(group)
        for start in range(0, len(person), PHOTOS_A_REQUEST):
            yield person[start : start + PHOTOS_A_REQUEST]


def _make(service: Client, collection: str) -> None:
    try:
        service.collection(collection)
    except ApiFailure as failure:
        if failure.code != "unknown_collection":
            raise
        service.create_collection(collection)
