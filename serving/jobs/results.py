"""Files that jobs leave in the data folder's `exports`: found by a job's result, removed with its record."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from index.errors import UnknownJob
from index.job_records import Job, JobState
from serving.service import Service
from serving.settings import Settings

FOLDER = "exports"
NAME = re.compile(r"([0-9a-f]{32})\.[a-z]{1,8}")
HALF = re.compile(r"\.([0-9a-f]{32})\.[a-z]{1,8}\.[0-9a-f]{8}")
"""What a killed attempt left beside the name that it would have had."""


def result_file(settings: Settings, job: Job) -> Path | None:
    """The file that a job which is DONE names in its result as `file`; None where it names none.

    Only the job's own id with an ending is a name; whatever else stands there, no other file is reached.
    """
    name = job.result.get("file")
    found = NAME.fullmatch(name) if isinstance(name, str) else None
    if found is None or found[1] != job.id or job.state is not JobState.DONE:
        return None
    return settings.folder / FOLDER / found[0]


def remove_files(settings: Settings, id: str) -> None:
    """Removes what the job `id` left, if anything."""
    for owner, path in _files(settings):
        if owner == id:
            path.unlink(missing_ok=True)


def sweep(service: Service) -> None:
    """Removes the files of jobs whose records were deleted or forgotten."""
    for owner, path in _files(service.settings):
        try:
            service.gallery.jobs.get(owner)
        except UnknownJob:
            path.unlink(missing_ok=True)


def whole_files(settings: Settings) -> list[Path]:
    """Every file that a job finished."""
    return [path for _, path in _files(settings) if NAME.fullmatch(path.name)]


def _files(settings: Settings) -> list[tuple[str, Path]]:
    """Every file with the id of its job."""
    found: list[tuple[str, Path]] = []
    with suppress(FileNotFoundError):
        for path in (settings.folder / FOLDER).iterdir():
            name = NAME.fullmatch(path.name) or HALF.fullmatch(path.name)
            if name is not None:
                found.append((name[1], path))
    return found
