"""Templates of a claim: read and checked, row for row. Writes nothing."""

from __future__ import annotations

import hashlib

import numpy as np

from index.errors import InvalidTemplate
from index.job_records import Claim, Item, Outcome
from index.records import NewFace
from index.template import unit_rows
from serving.jobs.enrolling.options import EnrollOptions
from serving.jobs.enrolling.samples import Ready, Sample, failed, invalid, person_of, rejection_of
from serving.jobs.kind import JobFailure
from serving.jobs.sources.source import SourceError, Trouble, Unfit
from serving.jobs.sources.template_row import Read
from serving.jobs.sources.templates import Templates
from serving.service import Service


def prepare(service: Service, claim: Claim, source: Templates) -> Ready:
    """Every item of the claim as a sample or an outcome. A template is known again by the sha256 of its unit row."""
    assert claim.job.collection is not None
    dimension = service.gallery.collection(claim.job.collection).dimension
    outcomes = [rejected for item in claim.items if (rejected := rejection_of(item)) is not None]
    refused = {outcome.key for outcome in outcomes}
    items = [item for item in claim.items if item.key not in refused]
    samples: list[Sample] = []
    for item, read in zip(items, source.read([item.payload for item in items]), strict=True):
        made = _sample(item, read, dimension)
        if isinstance(made, Sample):
            samples.append(made)
        else:
            outcomes.append(made)
    return Ready(samples, outcomes)


def contract(options: EnrollOptions, source: Templates) -> str:
    """By which the templates were made, as option and file say. Raises JobFailure where they do not agree."""
    try:
        said = source.contract_id()
    except SourceError as error:
        raise JobFailure(str(error)) from error
    if said is None and options.contract is None:
        raise JobFailure(
            f"{source.path} does not say by which model contract its templates were made; give it as `contract`"
        )
    if said is not None and options.contract not in (None, said):
        raise JobFailure(f"{source.path} says its templates are of contract {said}, not {options.contract}")
    return said or str(options.contract)


def _sample(item: Item, read: Read, dimension: int) -> Sample | Outcome:
    if isinstance(read, Trouble):
        return failed(item, read.reason, str(read))
    if isinstance(read, Unfit):
        return invalid(item, read)
    try:
        (row,) = unit_rows([read.embedding], dimension)
    except InvalidTemplate as error:
        return invalid(item, str(error).replace("template 0", "its embedding", 1))
    source = hashlib.sha256(np.ascontiguousarray(row, "<f4").tobytes()).hexdigest()
    return Sample(item, person_of(item), NewFace(row, read.quality, {"item": item.item}, source=source))
