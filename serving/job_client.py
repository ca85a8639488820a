"""The part of the client that asks about jobs."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from serving.asking import Asking, Photo, file_of, given, part
from serving.job_schemas import AddedOut, FindingPage, ItemOut, ItemPage, JobIn, JobOut, JobPage, KindsOut


class DamagedDownload(ValueError):
    """What arrived is not what the service sent."""


class JobsClient:
    """Jobs of one service."""

    def __init__(self, service: Asking) -> None:
        self._service = service

    def create(
        self,
        kind: str,
        collection: str | None = None,
        options: Mapping[str, Any] | None = None,
        *,
        open: bool = False,
        idempotency_key: str | None = None,
    ) -> JobOut:
        """A new job; with `open` it takes uploads by `add` until it is started."""
        asked = JobIn(kind=kind, collection=collection, options=dict(options or {}), open=open)
        body = asked.model_dump(mode="json")
        return self._service.write(JobOut, "POST", "/v1/jobs", idempotency_key, json=body)

    def kinds(self) -> KindsOut:
        """The kinds of jobs that there are, with their options."""
        return self._service.read(KindsOut, "GET", "/v1/jobs:kinds")

    def get(self, job: str) -> JobOut:
        """A job's state and how far it has come."""
        return self._service.read(JobOut, "GET", _path(job))

    def all(self, *, collection: str | None = None, state: str | None = None) -> Iterator[JobOut]:
        """Jobs that the key may see, newest first."""
        filters = given(collection=collection, state=state)
        return self._service.pages(JobPage, "/v1/jobs", **filters)

    def items(self, job: str, *, state: str | None = None) -> Iterator[ItemOut]:
        """What became of each item, in the order they came."""
        return self._service.pages(ItemPage, f"{_path(job)}/items", **given(state=state))

    def findings(self, job: str) -> Iterator[dict[str, Any]]:
        """What the job found, in the order it was written."""
        return self._service.pages(FindingPage, f"{_path(job)}/findings")

    def add(self, job: str, photos: Sequence[tuple[str, str | None, Photo]]) -> AddedOut:
        """Uploads (item key, person id or None, photo) to an open job. May be sent again: nothing is added twice."""
        listed = [given(item=item, person=person) for item, person, _ in photos]
        files = [("image", file_of(photo)) for _, _, photo in photos]
        form = {"options": json.dumps({"items": listed})}
        return self._service.read(AddedOut, "POST", f"{_path(job)}/items", data=form, files=files)

    def start(self, job: str) -> JobOut:
        """Nothing more is to be uploaded."""
        return self._service.write(JobOut, "POST", f"{_path(job)}:start", None)

    def cancel(self, job: str) -> JobOut:
        """Ends a job; what is done stays done."""
        return self._service.write(JobOut, "POST", f"{_path(job)}:cancel", None)

    def resume(self, job: str) -> JobOut:
        """Goes on with a job that was cancelled or failed, and tries its failed items again."""
        return self._service.write(JobOut, "POST", f"{_path(job)}:resume", None)

    def delete(self, job: str) -> None:
        """Deletes the record of a job that ended, and the file it made."""
        self._service.send("DELETE", _path(job))

    def download(self, job: str, target: Path) -> int:
        """Writes the file that a job made to `target`, readable by its owner only; how many bytes.

        Nothing stands under that name until all has arrived. Raises ApiFailure, DamagedDownload, OSError.
        """
        digest, size = hashlib.sha256(), 0
        with self._service.streamed(f"{_path(job)}/result") as answer, arriving(target) as file:
            for piece in answer.iter_bytes():
                file.write(piece)
                digest.update(piece)
                size += len(piece)
            found = f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
            if answer.headers.get("repr-digest") != found:
                raise DamagedDownload(f"the {size} bytes that arrived are not those that the service sent")
        return size


@contextmanager
def arriving(target: Path) -> Iterator[BinaryIO]:
    """A private file to write, which takes the name `target` when the block ends well, and is removed otherwise."""
    beside = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, target)
    finally:
        beside.unlink(missing_ok=True)


def _path(job: str) -> str:
    return f"/v1/jobs/{part(job)}"
