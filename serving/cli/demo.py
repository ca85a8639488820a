"""`cocircle demo`: real faces enrolled, identified and judged through a running service, in a minute or two."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Annotated, TypeVar

import typer

from evaluation.datasets.att import AttPhoto, att_faces
from evaluation.datasets.images import DatasetError
from evaluation.identification.best_candidate import Identification, Outcome, identification
from serving.cli.console import EXIT_ERROR, ApiKey, Json, err, out, photo_progress, tell_error, told_errors
from serving.cli.enroll import Photo, Report, enrol_photos
from serving.client import ApiFailure, Client
from serving.schemas import IdentifyOut, VerifyOut

COLLECTION = "demo"
ENROLLED_PEOPLE = 30
ENROLLED_PHOTOS = 5
WORKERS = 2

Item = TypeVar("Item")
Found = TypeVar("Found")


@dataclass(frozen=True)
class Figures:
    """What the demo measured. worst_mate, best_stranger: cosines of the hardest probes of each kind."""

    enrolled: int
    enrol_seconds: float
    probes: int
    identify_seconds: float
    threshold: float
    rank1: float
    fnir: float
    fpir: float
    worst_mate: float
    best_stranger: float


def demo(
    url: Annotated[
        str | None,
        typer.Option(
            help="Ask the service at this address in place of one of the demo's own.", metavar="URL"
        ),
    ] = None,
    key: ApiKey = None,
    home: Annotated[
        Path, typer.Option(help="Folder of the photos, and of the data of the demo's own service.")
    ] = Path(".demo"),
    keep: Annotated[
        bool | None,
        typer.Option(help="Leave the demo's service up to look at its page.", show_default="on a terminal"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Enrols 30 people, looks for them and for 10 strangers among them, and says how often it was wrong.

    The faces are the AT&T Laboratories Cambridge "Database of Faces" (400 photos of 40 people). With --url the key must
    be an administrator's: it makes the collection `demo`, and leaves it there.
    """
    try:
        photos = att_faces()
    except DatasetError as error:
        tell_error(str(error))
        raise typer.Exit(EXIT_ERROR) from None
    laid_out = export(photos, home / "photos")
    with told_errors(), asked_service(url, home) as address, Client(address, key if url else None) as service:
        data = f"its data lies in {home}, " if url is None else ""
        _say(as_json, f"The service answers at {address}; {data}the photos in {laid_out}.")
        _make_collection(service, replace=url is None)
        figures = measure(service, photos, lambda text: _say(as_json, text))
        if as_json:
            sys.stdout.write(json.dumps(asdict(figures), indent=2) + "\n")
            return
        _report(figures)
        page = f"{address}/#collection={COLLECTION}"
        if url is not None:
            out.print(f"\nSee it at [bold]{page}[/bold].", soft_wrap=True)
        elif keep if keep is not None else sys.stdin.isatty():
            out.print(f"\nSee it at [bold]{page}[/bold] (Ctrl-C ends the service).", soft_wrap=True)
            _wait_for_interrupt()
        else:
            out.print(f"\nTo see it: cocircle serve --home {home}", soft_wrap=True)
            out.print(f"then open http://127.0.0.1:8080/#collection={COLLECTION}", soft_wrap=True)


def export(photos: Sequence[AttPhoto], folder: Path) -> Path:
    """The photos as FOLDER/known and FOLDER/new, for the reader to try other commands on."""
    for photo in photos:
        part = "known" if _is_enrolled(photo) else "new"
        target = folder / part / _name(photo) / f"{photo.number}.pgm"
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(photo.path.read_bytes())
    return folder


def asked_service(url: str | None, home: Path) -> AbstractContextManager[str]:
    """The service at `url`, or one of the demo's own."""
    return running_service(home) if url is None else nullcontext(url.rstrip("/"))


@contextmanager
def running_service(home: Path) -> Iterator[str]:
    """A service process of its own on a free loopback port, ended at the end; yields its address."""
    command = [
        sys.executable,
        "-m",
        "serving",
        "serve",
        "--home",
        str(home),
        "--port",
        "0",
        "--host",
        "127.0.0.1",
    ]
    environment = {**os.environ, "COCIRCLE_LOG_LEVEL": "warning"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line.startswith("Cocircle answers at "):
                tell_error("the service did not start; its own message stands above")
                raise typer.Exit(EXIT_ERROR)
            yield line.split()[3]
        finally:
            process.terminate()


def measure(service: Client, photos: Sequence[AttPhoto], say: Callable[[str], None]) -> Figures:
    """Enrols into the empty collection, verifies, identifies, and puts the figures together."""
    gallery = [photo for photo in photos if _is_enrolled(photo)]
    probes = [photo for photo in photos if not _is_enrolled(photo)]
    report = _enrol(service, gallery)
    say(f"Enrolled {report.enrolled} photos of {report.persons} people in {report.seconds:.1f} s.")
    for rejection in report.rejected:
        say(f"  rejected: {rejection['file']}: {rejection['message']}")
    same = _verify(service, photos[0], photos[1])
    other = _verify(service, photos[0], photos[10])
    say(f"Verify: two photos of one person {_told(same)}; of two people {_told(other)}.")
    begun = perf_counter()
    accepted = _each("identifying", probes, lambda photo: _identify(service, photo))
    seconds = perf_counter() - begun
    threshold = next(answer.threshold for answer in accepted if answer is not None)
    # The same probes without a threshold: who came first and how near, for rank-1 and the margins.
    nearest = _each("looking at margins", probes, lambda photo: _identify(service, photo, threshold=-1.0))
    outcomes = [_outcome(photo, answer) for photo, answer in zip(probes, nearest, strict=True)]
    _agree(accepted, outcomes, threshold)
    return _figures(report, outcomes, identification(outcomes, threshold), seconds)


def _enrol(service: Client, gallery: Sequence[AttPhoto]) -> Report:
    photos = [Photo(_name(photo), photo.path) for photo in gallery]
    return enrol_photos(service, COLLECTION, photos, workers=WORKERS)


def _make_collection(service: Client, *, replace: bool) -> None:
    """An empty one. replace: in place of one that is there; what stands in somebody's own service is never deleted."""
    if replace:
        try:
            service.delete_collection(COLLECTION, force=True)
        except ApiFailure as failure:
            if failure.code != "unknown_collection":
                raise
    service.create_collection(COLLECTION)


def _verify(service: Client, one: AttPhoto, other: AttPhoto) -> VerifyOut:
    return service.verify(one.path, other.path)


def _identify(service: Client, photo: AttPhoto, threshold: float | None = None) -> IdentifyOut | None:
    try:
        return service.identify(COLLECTION, photo.path, limit=1, threshold=threshold)
    except ApiFailure as failure:
        if failure.code != "no_face":
            raise
        return None


def _outcome(photo: AttPhoto, answer: IdentifyOut | None) -> Outcome:
    truth = _name(photo) if photo.person <= ENROLLED_PEOPLE else None
    candidates = answer.faces[0].candidates if answer else []
    if not candidates:
        return Outcome(truth, None)
    return Outcome(truth, candidates[0].person_id, candidates[0].cosine)


def _agree(accepted: Sequence[IdentifyOut | None], outcomes: Sequence[Outcome], threshold: float) -> None:
    for answer, outcome in zip(accepted, outcomes, strict=True):
        found = answer.faces[0].candidates if answer else []
        if bool(found) != (outcome.found is not None and outcome.cosine >= threshold):
            raise RuntimeError(f"the service accepts otherwise than its own cosine {outcome.cosine} says")


def _figures(report: Report, outcomes: Sequence[Outcome], rates: Identification, seconds: float) -> Figures:
    return Figures(
        enrolled=report.enrolled,
        enrol_seconds=round(report.seconds, 2),
        probes=len(outcomes),
        identify_seconds=round(seconds, 2),
        threshold=rates.threshold,
        rank1=rates.rank1,
        fnir=rates.fnir,
        fpir=rates.fpir,
        worst_mate=min(outcome.cosine for outcome in outcomes if outcome.truth is not None),
        best_stranger=max(outcome.cosine for outcome in outcomes if outcome.truth is None),
    )


def _report(figures: Figures) -> None:
    rate = figures.probes / figures.identify_seconds
    out.print(
        f"Identified {figures.probes} photos in {figures.identify_seconds:.1f} s ({rate:.0f} a second).\n"
    )
    lines = (
        f"  rank-1 identification rate           {figures.rank1:8.2%}",
        f"  false negative identification rate   {figures.fnir:8.2%}   mates not found at the threshold",
        f"  false positive identification rate   {figures.fpir:8.2%}   strangers taken for somebody",
        f"  cosines: threshold {figures.threshold:.3f}, worst mate {figures.worst_mate:.3f}, "
        f"best stranger {figures.best_stranger:.3f}",
    )
    for line in lines:
        out.print(line, soft_wrap=True)


def _each(what: str, items: Sequence[Item], ask: Callable[[Item], Found]) -> list[Found]:
    with photo_progress() as bar, ThreadPoolExecutor(WORKERS) as pool:
        return list(bar.track(pool.map(ask, items), total=len(items), description=what))


def _is_enrolled(photo: AttPhoto) -> bool:
    return photo.person <= ENROLLED_PEOPLE and photo.number <= ENROLLED_PHOTOS


def _name(photo: AttPhoto) -> str:
    return f"att-{photo.person:02}"


def _told(answer: VerifyOut) -> str:
    return f"{'match' if answer.match else 'do not match'} (cosine {answer.cosine:.2f})"


def _say(as_json: bool, text: str) -> None:
    (err if as_json else out).print(text, soft_wrap=True)


def _wait_for_interrupt() -> None:
    import signal

    try:
        signal.pause()
    except KeyboardInterrupt:
        out.print("Ended.")
