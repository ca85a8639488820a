"""An enrolment by job in this process: the job is made or found again, worked on, and watched until it ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import perf_counter
from typing import Any

import typer
from pydantic import ValidationError

from index.errors import ContractMismatch, StoreUnavailable, UnknownCollection
from index.job_records import ACTIVE, ItemState, Job, JobState, NewJob
from index.records import NewCollection
from serving.cli.console import EXIT_ERROR, err, photo_progress, tell_error
from serving.cli.enroll import Report
from serving.jobs.enrolling.options import AnySource, EnrollOptions
from serving.jobs.enrolling.templates import contract
from serving.jobs.kind import JobFailure
from serving.jobs.kinds.enroll import Enroll
from serving.jobs.sources import manifest, templates
from serving.jobs.sources.folder import Folder
from serving.jobs.sources.manifest import Manifest
from serving.jobs.sources.source import PHOTO_ENDINGS, SourceError
from serving.jobs.sources.tar import Tar
from serving.jobs.sources.templates import Templates
from serving.jobs.worker import Worker
from serving.logs import start_logging
from serving.service import Service
from serving.settings import Settings, SettingsError

EXIT_INTERRUPTED = 130
LOOK_SECONDS = 0.25
PAGE = 1000
TEMPLATES_AT_ONCE = 1000
TARS = (".tar", ".tgz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst")
"""The compressed ones are refused by the source itself, which says why."""


class OneJob(Enroll):
    """The kind, for one job alone: its maker works on it even where its source has gone, so that its items say so."""

    def __init__(self, job: Job) -> None:
        self._id = job.id
        if isinstance(EnrollOptions.model_validate(job.options).source, Templates):
            self.batch = TEMPLATES_AT_ONCE

    def suits(self, service: Service, job: Job) -> bool:
        """See Kind.suits."""
        return job.id == self._id


def options_of(path: Path, quality: str, faces: str, contract_id: str | None) -> EnrollOptions:
    """The job's options. Raises FileNotFoundError, and SettingsError for what cannot be asked for."""
    if not path.exists():
        raise FileNotFoundError(2, "no such file or folder", str(path))
    with _told():
        source = _source(path).model_dump()
    given = {"source": source, "quality": quality, "faces": faces, "contract": contract_id}
    try:
        return EnrollOptions.model_validate(given)
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, one['loc'])) or 'options'}: {one['msg']}" for one in error.errors())
        raise SettingsError("\n".join(problems)) from None


def enrol_by_job(settings: Settings, collection: str, options: EnrollOptions, threads: int) -> Report:
    """Works on the job until it ends. Raises GalleryError; exits where it is interrupted or the job fails."""
    with _told():
        if next(options.source.listing(), None) is None:
            tell_error(
                f"nothing to enrol in {_root(options)}: no photo ({' '.join(sorted(PHOTO_ENDINGS))}), no row"
            )
            raise typer.Exit(EXIT_ERROR)
    start_logging("error")
    service = Service.open(settings.model_copy(update={"auth": "off", "host": "127.0.0.1"}))
    try:
        with _told():
            _prepare_collection(service, collection, options)
        job = _unfinished(service, collection, options) or service.gallery.jobs.create(
            NewJob(Enroll.name, collection, options=options.model_dump(mode="json"))
        )
        return _work(service, job, options, threads)
    finally:
        service.close()


def _work(service: Service, job: Job, options: EnrollOptions, threads: int) -> Report:
    begun, before = perf_counter(), job.settled
    worker = Worker(service, {Enroll.name: OneJob(job)}, threads)
    worker.start()
    try:
        try:
            job = _watched(service, job)
        finally:
            worker.stop()
    except KeyboardInterrupt:
        job = service.gallery.jobs.get(job.id)
        err.print(
            f"Stopped; job {job.id} keeps {job.settled} of {job.items}{'' if job.sealed else ' or more'} items. "
            "The same command goes on with it, and so does any service or worker on this data folder.",
            soft_wrap=True,
        )
        raise typer.Exit(EXIT_INTERRUPTED) from None
    if job.state is not JobState.DONE:
        tell_error(job.message or f"job {job.id} was {job.state} before it was done")
        raise typer.Exit(EXIT_ERROR)
    return _report(service, job, options, perf_counter() - begun, job.settled - before)


def _watched(service: Service, job: Job) -> Job:
    """The job when it has ended, its progress shown meanwhile."""
    jobs = service.gallery.jobs
    with photo_progress() as bar:
        task = bar.add_task("enrolling", total=None, completed=job.settled)
        while job.state in ACTIVE:
            jobs.wait(LOOK_SECONDS)
            with suppress(StoreUnavailable):  # it waits for the store, and so does this
                job = jobs.get(job.id)
            bar.update(task, completed=job.settled, total=job.items or None)
    return job


def _report(service: Service, job: Job, options: EnrollOptions, seconds: float, settled: int) -> Report:
    result = job.result
    return Report(
        enrolled=result["enrolled"] + result["already"],
        persons=result["persons"],
        seconds=round(seconds, 3),
        rejected=_told_items(service, job, options, ItemState.REJECTED),
        already=result["already"],
        failed=_told_items(service, job, options, ItemState.FAILED),
        photos_per_second=round(settled / max(seconds, 1e-3), 2),
        job=job.id,
    )


def _told_items(service: Service, job: Job, options: EnrollOptions, state: ItemState) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after = None
    while page := service.gallery.jobs.items(job.id, after, PAGE, state):
        after = page[-1].key
        found += [
            {"file": _file(options, item.item), "reasons": list(item.reasons), "message": item.message}
            for item in page
        ]
    return sorted(found, key=lambda item: str(item["file"]))


def _file(options: EnrollOptions, item: str) -> str:
    source = options.source
    return str(Path(source.path, item)) if isinstance(source, Folder) else f"{_root(options)}: {item}"


def _root(options: EnrollOptions) -> str:
    return getattr(options.source, "path", "what was uploaded")


def _unfinished(service: Service, collection: str, options: EnrollOptions) -> Job | None:
    """A job that was asked for in the same words before and has not ended."""
    before = None
    while page := service.gallery.jobs.page(before, PAGE, collection=collection):
        before = page[-1].id
        for job in page:
            if job.kind == Enroll.name and job.state in ACTIVE and _same(job, options):
                return job
    return None


def _same(job: Job, options: EnrollOptions) -> bool:
    try:
        return EnrollOptions.model_validate(job.options) == options
    except ValidationError:
        return False


def _prepare_collection(service: Service, id: str, options: EnrollOptions) -> None:
    """Makes it where it is missing. Raises ContractMismatch rather than a job that nobody could do."""
    pack = service.pack
    mine = contract(options, options.source) if isinstance(options.source, Templates) else None
    try:
        found = service.gallery.collection(id)
        theirs = found.contract_id
        if mine is None:
            service.of(found)
    except UnknownCollection:
        theirs = pack.contract_id
        if mine in (None, theirs):
            service.gallery.create_collection(NewCollection(id, theirs, pack.dimension))
    if mine not in (None, theirs):
        raise ContractMismatch(
            f"collection {id!r} takes templates of contract {theirs}; these are of contract {mine}"
        )


def _source(path: Path) -> AnySource:
    """The kind of source a path is. Raises SettingsError."""
    at = os.path.abspath(path)
    name, ending = path.name.lower(), path.suffix.lower()
    if path.is_dir():
        return Folder(path=at)
    if name.endswith(TARS):
        return Tar(path=at)
    if ending in templates.ARRAYS or (ending in templates.LINES and templates.holds_templates(path)):
        return Templates(path=at)
    if ending in manifest.ENDINGS:
        return Manifest(path=at)
    raise SettingsError(
        f"{path} is neither a folder, nor a .tar of photos, nor a list ({', '.join(manifest.ENDINGS)}), "
        f"nor templates ({', '.join((*templates.LINES, *templates.ARRAYS))})"
    )


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (SourceError, JobFailure) as error:
        tell_error(str(error))
        raise typer.Exit(EXIT_ERROR) from None
