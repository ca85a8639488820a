"""Puts an exported collection back, here or elsewhere, row by row as it was; embeds nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Literal

from pydantic import Field, field_validator

from index.carried import CarriedPerson
from index.errors import ContractMismatch, InvalidRecord, InvalidTemplate, UnknownCollection
from index.gallery import Gallery
from index.job_records import Claim, Item, ItemState, Job, NewItem, Outcome, Values
from index.writing import Settlement, Writing
from serving.jobs.exported import BadExport, Header, read_header, read_person
from serving.jobs.exported_file import LONGEST_HEADER, Whole, check, ranges
from serving.jobs.kind import JobFailure, Options, Write
from serving.jobs.parts import done, totals
from serving.service import Service

RANGE_BYTES = 1 << 20
RANGE_PERSONS = 200


class ImportOptions(Options):
    """Where from, and what becomes of who is there already."""

    path: Path | None = Field(
        default=None, description="File on the service's machine; without one the file is uploaded in parts."
    )
    create: bool = Field(
        default=True, description="Whether a collection that is missing is made as the exported one was."
    )
    on_conflict: Literal["skip", "merge", "fail"] = Field(
        default="skip",
        description="Persons who are there: stay as they are; get the faces they lack by id; refuse their part.",
    )

    @field_validator("path")
    @classmethod
    def _from_anywhere(cls, path: Path | None) -> Path | None:
        """Whole, since the process that does the job may stand in another folder."""
        return None if path is None else path.expanduser().resolve()


@dataclass(frozen=True)
class _Part:
    """An item that can be written: its persons, and what their rows are."""

    item: Item
    header: Header
    persons: Sequence[CarriedPerson]


class Import:
    """See docs/job-kinds.md. Items: ranges of lines of a file, or uploads that are each a whole small file."""

    name = "import"
    batch = 4
    options: type[Options] = ImportOptions
    needs_collection = False
    local = frozenset({"path"})

    def suits(self, service: Service, job: Job) -> bool:
        """See Kind.suits. Who sees the folder does it, and says so where the file is not in it."""
        path = ImportOptions.model_validate(job.options).path
        return path is None or path.parent.exists()

    def plan(self, service: Service, job: Job) -> Iterator[Sequence[NewItem]]:
        """See Kind.plan. The whole file is read first, and nothing of it is taken unless its checksum is right."""
        options = ImportOptions.model_validate(job.options)
        if options.path is None:
            if not job.items:
                raise JobFailure("nothing was uploaded; give a path, or make an open job and add parts to it")
            return
        with _opened(options.path) as file:
            whole = _whole(file)
            target = job.collection or whole.header.collection.id
            _ready(service.gallery, target, whole.header, options)
            for start, size, _ in ranges(file, whole, RANGE_BYTES, RANGE_PERSONS):
                file.seek(start)
                digest = hashlib.sha256(file.read(size)).hexdigest()
                yield [
                    NewItem(f"bytes {start}-{start + size}", {"at": start, "size": size, "sha256": digest})
                ]

    def work(self, service: Service, claim: Claim) -> Write:
        """See Kind.work."""
        options = ImportOptions.model_validate(claim.job.options)
        read = [_read(item, options) for item in claim.items]

        def write(writing: Writing) -> Settlement:
            return Settlement(
                [
                    part if isinstance(part, Outcome) else _put(writing, claim.job, part, options)
                    for part in read
                ]
            )

        return write

    def finish(self, service: Service, claim: Claim) -> Values | None:
        """See Kind.finish."""
        counted = totals(service.gallery, claim.job.id)
        names = ("persons", "faces", "skipped", "merged")
        return {name: counted[name] for name in names} | {
            "rejected": claim.job.rejected,
            "failed": claim.job.failed,
        }


IMPORT = Import()


def _whole(file: BinaryIO) -> Whole:
    try:
        return check(file)
    except BadExport as error:
        raise JobFailure(f"the file cannot be imported: {error}") from None


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise JobFailure(f"the file cannot be read: {error.strerror}") from None
    with file:
        yield file


def _ready(gallery: Gallery, target: str, header: Header, options: ImportOptions) -> None:
    """The collection is there and of the file's contract. Raises JobFailure, ContractMismatch, InvalidRecord."""
    try:
        found = gallery.collection(target)
    except UnknownCollection:
        if not options.create:
            raise
        try:
            gallery.create_collection(header.new_collection(target))
        except InvalidRecord as error:
            raise JobFailure(f"the file cannot be imported: {error}") from None
        return
    _check_contract(found.id, found.contract_id, header)


def _check_contract(collection: str, contract_id: str, header: Header) -> None:
    if contract_id != header.contract_id:
        raise ContractMismatch(
            f"collection {collection!r} holds templates of contract {contract_id!r}, the file those of contract "
            f"{header.contract_id!r}; import it into a collection of its own"
        )


def _read(item: Item, options: ImportOptions) -> _Part | Outcome:
    """The persons of an item, or why there are none."""
    if options.path is None:
        return _uploaded(item)
    try:
        with options.path.open("rb") as file:
            header = read_header(file.readline(LONGEST_HEADER))
            file.seek(item.payload["at"])
            body = file.read(item.payload["size"])
    except OSError:
        return _failed(item, "file_missing", "the file is gone or cannot be read")
    except BadExport as error:
        return _failed(item, "file_changed", str(error))
    if hashlib.sha256(body).hexdigest() != item.payload["sha256"]:
        return _failed(item, "file_changed", "the file was changed since the import began")
    return _parsed(item, header, body)


def _uploaded(item: Item) -> _Part | Outcome:
    if item.upload is None:
        return _rejected(item, "invalid_file", "the item has no upload; send a part of the file with it")
    file = BytesIO(item.upload)
    try:
        whole = check(file)
    except BadExport as error:
        return _rejected(item, "invalid_file", str(error))
    start, end = whole.body
    return _parsed(item, whole.header, item.upload[start:end])


def _parsed(item: Item, header: Header, body: bytes) -> _Part | Outcome:
    try:
        return _Part(item, header, [read_person(line) for line in body.split(b"\n") if line])
    except BadExport as error:
        return _rejected(item, "invalid_file", str(error))


def _put(writing: Writing, job: Job, part: _Part, options: ImportOptions) -> Outcome:
    """Writes one part, all of it or nothing. Raises ContractMismatch, UnknownCollection."""
    target = job.collection or part.header.collection.id
    if options.create and options.path is None:
        try:
            made = writing.make_collection(part.header.new_collection(target))
        except InvalidRecord as error:
            return _rejected(part.item, "invalid_file", str(error))
        _check_contract(made.id, made.contract_id, part.header)
    known = writing.known_persons(target, [person.id for person in part.persons])
    if known and options.on_conflict == "fail":
        text = f"{len(known)} of its {len(part.persons)} persons are in the collection already"
        return _rejected(part.item, "person_exists", text)
    wanted = [person for person in part.persons if options.on_conflict == "merge" or person.id not in known]
    try:
        restored = writing.restore(
            target, wanted, contract_id=part.header.contract_id, precision=part.header.precision
        )
    except (InvalidRecord, InvalidTemplate) as error:
        return _rejected(part.item, "invalid_file", str(error))
    skipped = len(part.persons) - len(wanted)
    merged = len(wanted) - restored.persons
    return done(part.item, {**vars(restored), "skipped": skipped, "merged": merged})


def _failed(item: Item, reason: str, message: str) -> Outcome:
    return Outcome(item.key, ItemState.FAILED, (reason,), message)


def _rejected(item: Item, reason: str, message: str) -> Outcome:
    return Outcome(item.key, ItemState.REJECTED, (reason,), message)
