"""Puts jobs and what became of their items into the words of the wire, as answers.py does for the rest."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from index.job_records import ItemRecord, Job, NewJob
from serving.job_schemas import ItemOut, JobOut, KindOut
from serving.jobs.kind import Kind
from serving.jobs.making import scope_of, shown_options, takes_uploads_alone


def job_out(job: Job) -> JobOut:
    """A job with its rate and, while it runs, the time left at that rate."""
    rate = items_per_second(job)
    left = None
    if job.sealed and job.ended_at is None and rate:
        left = round((job.items - job.settled) / rate, 1)
    return JobOut(
        id=job.id,
        kind=job.kind,
        collection=job.collection,
        owner=job.owner,
        options=shown_options(job),
        state=job.state,
        listed=job.sealed,
        items=job.items,
        done=job.done,
        rejected=job.rejected,
        failed=job.failed,
        items_per_second=None if rate is None else round(rate, 3),
        seconds_left=left,
        result=dict(job.result),
        message=job.message,
        created_at=job.created_at,
        started_at=job.started_at,
        ended_at=job.ended_at,
    )


def items_per_second(job: Job) -> float | None:
    """Settled items over the time since the job was first begun; None before the first is settled."""
    if job.started_at is None or not job.settled:
        return None
    seconds = ((job.ended_at or datetime.now(UTC)) - job.started_at).total_seconds()
    return job.settled / seconds if seconds > 0 else None


def item_out(record: ItemRecord) -> ItemOut:
    """What became of an item."""
    return ItemOut(
        item=record.item,
        state=record.state,
        attempts=record.attempts,
        reasons=list(record.reasons),
        message=record.message,
        result=_without_templates(record.result),
        settled_at=record.settled_at,
    )


def kind_out(kind: Kind) -> KindOut:
    """A kind as clients may ask for it. What its options refer to stands in their places: each is read by itself."""
    whole = kind.options.model_json_schema()
    named = whole.pop("$defs", {})
    given = whole.get("properties", {}).items()
    shown = {name: _in_place(option, named) for name, option in given if name not in kind.local}
    return KindOut(
        kind=kind.name,
        scope=scope_of(NewJob(kind.name)),
        needs_collection=kind.needs_collection,
        uploads=takes_uploads_alone(kind),
        options={**whole, "properties": shown},
    )


def _in_place(option: Mapping[str, Any], named: Mapping[str, Any]) -> dict[str, Any]:
    reference = str(option.get("$ref", "")).removeprefix("#/$defs/")
    return {**named.get(reference, {}), **{name: value for name, value in option.items() if name != "$ref"}}


def _without_templates(result: Mapping[str, Any]) -> dict[str, Any]:
    """An item's result as a client sees it: what a kind keeps for its own next step may hold templates of faces."""
    return {
        name: [_without_templates(one) if isinstance(one, Mapping) else one for one in value]
        if isinstance(value, list)
        else value
        for name, value in result.items()
        if name != "template"
    }
