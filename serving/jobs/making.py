"""Turns what somebody asks for into a job, or refuses it with every reason; who may ask for what. Stores nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from index.job_records import Job, NewJob
from serving.errors import ApiError, invalid_request, problem
from serving.jobs.kind import Checked, JobFailure, Kind, Options
from serving.jobs.registry import KINDS
from serving.jobs.sources.templates import Templates
from serving.jobs.sources.uploads import Uploads
from serving.scopes import Scope
from serving.service import Service

ENROLLING = frozenset({"enroll", "import", "cluster"})
"""Kinds that do what the scope `enrol` may do in single requests; all others need `admin`."""
ANY_CONTRACT = frozenset({"export", "import", "purge", "rebuild", "reembed", "rollback", "discard"})
"""Kinds that compare nothing with what the served pack embeds: collections of other contracts suit them."""

FILE_OR_UPLOADS = frozenset({"import"})
"""Kinds whose items are uploaded where no file is named; the options of others say so themselves."""


def scope_of(job: NewJob | Job) -> Scope:
    """What a key needs to make a job, or to change it."""
    makes_collections = job.kind == "import" and job.options.get("create", True)
    return Scope.ENROL if job.kind in ENROLLING and not makes_collections else Scope.ADMIN


def new_job(
    service: Service,
    kind: str,
    collection: str | None,
    options: Mapping[str, Any],
    owner: str,
    *,
    local: bool,
    open: bool = False,
) -> NewJob:
    """The job asked for, with its options validated and complete.

    local: the asker sits at this machine and may name its files. Raises ApiError 422 with every problem,
    UnknownCollection, ContractMismatch, StoreUnavailable.
    """
    found = known_kind(kind)
    valid = _options(found, options)
    if not local:
        _refuse_local(found, valid)
    if open and not takes_uploads(found, valid):
        text = f"a job of the kind '{kind}' takes no uploads with these options"
        raise invalid_request([{"field": "open", "problem": text}])
    if found.needs_collection:
        _check_collection(service, collection, any_contract=_any_contract(kind, valid))
    if isinstance(found, Checked):
        try:
            found.check(service, collection or "", valid.model_dump(mode="json"))
        except JobFailure as error:
            raise ApiError(409, "job_refused", str(error)) from None
    return NewJob(kind, collection, owner, valid.model_dump(mode="json"), open)


def known_kind(kind: str) -> Kind:
    """The kind of this name. Raises ApiError 422 that names those there are."""
    found = KINDS.get(kind)
    if found is None:
        text = f"there is no kind {kind[:40]!r}; there are {', '.join(sorted(KINDS)) or 'none'}"
        raise invalid_request([{"field": "kind", "problem": text}])
    return found


def takes_uploads(kind: Kind, options: Options) -> bool:
    """Whether items are uploaded to the job."""
    if kind.name in FILE_OR_UPLOADS:
        return not _named_files(kind, options)
    return any(isinstance(getattr(options, name), Uploads) for name in kind.local)


def takes_uploads_alone(kind: Kind) -> bool:
    """Whether a client has no other way to give such a job its items."""
    if kind.name in FILE_OR_UPLOADS:
        return True
    return any(isinstance(kind.options.model_fields[name].default, Uploads) for name in kind.local)


def shown_options(job: Job) -> dict[str, Any]:
    """A job's options without those that name files of this machine."""
    kind = KINDS.get(job.kind)
    if kind is None:
        return {}
    return {name: value for name, value in job.options.items() if name not in kind.local}


def _options(kind: Kind, options: Mapping[str, Any]) -> Options:
    try:
        return kind.options.model_validate(dict(options))
    except ValidationError as error:
        problems = [problem(item) for item in error.errors()]
        raise invalid_request([{**one, "field": f"options.{one['field']}"} for one in problems]) from None


def _refuse_local(kind: Kind, options: Options) -> None:
    problems = [
        {
            "field": f"options.{name}",
            "problem": "names a file of the service's machine, which only its own command line may do; upload instead",
        }
        for name in _named_files(kind, options)
    ]
    if problems:
        raise invalid_request(problems)


def _named_files(kind: Kind, options: Options) -> list[str]:
    values = ((name, getattr(options, name)) for name in sorted(kind.local))
    return [name for name, value in values if value is not None and not isinstance(value, Uploads)]


def _any_contract(kind: str, options: Options) -> bool:
    # Templates come with a contract of their own, whatever pack is served.
    return kind in ANY_CONTRACT or isinstance(getattr(options, "source", None), Templates)


def _check_collection(service: Service, collection: str | None, *, any_contract: bool) -> None:
    if collection is None:
        text = "a job of this kind needs one"
        raise invalid_request([{"field": "collection", "problem": text}])
    found = service.gallery.collection(collection)
    if not any_contract:
        service.of(found)
