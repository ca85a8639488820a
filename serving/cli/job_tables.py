"""Shows jobs, their items and what they found, as tables for people or as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from rich.markup import escape
from rich.table import Column, Table

from serving.cli.console import out, print_json
from serving.job_schemas import ItemOut, JobOut


def show_job(job: JobOut, *, as_json: bool) -> None:
    """One job in full."""
    if as_json:
        print_json(job)
        return
    table = Table(show_header=False, box=None)
    about = f"{job.kind} of {job.collection}" if job.collection else job.kind
    table.add_row("job", job.id)
    table.add_row("kind", escape(about))
    table.add_row("state", _state(job))
    table.add_row("items", _counts(job))
    if job.items_per_second is not None:
        left = "" if job.seconds_left is None else f", about {job.seconds_left:,.0f} s left"
        table.add_row("rate", f"{job.items_per_second:,.1f}/s{left}")
    for name, value in job.result.items():
        table.add_row(escape(name), escape(value if isinstance(value, str) else json.dumps(value)))
    if job.message:
        table.add_row("message", escape(job.message))
    out.print(table)


def show_jobs(jobs: Iterable[JobOut], *, as_json: bool) -> None:
    """A line a job, newest first."""
    if as_json:
        _lines(jobs)
        return
    # An id that is cut short is of no use to copy.
    job_column = Column("job", no_wrap=True, min_width=32)
    table = Table(job_column, "kind", "collection", "state", "items", "made", box=None, header_style="dim")
    for job in jobs:
        made = f"{job.created_at:%Y-%m-%d %H:%M}"
        table.add_row(
            job.id, escape(job.kind), escape(job.collection or "-"), _state(job), _counts(job), made
        )
    out.print(table)


def show_items(items: Iterable[ItemOut], *, as_json: bool) -> None:
    """A line an item."""
    if as_json:
        _lines(items)
        return
    for item in items:
        said = item.message or ", ".join(item.reasons) or json.dumps(item.result)
        out.print(f"{item.state.value:<9}{escape(item.item)}: {escape(said)}", soft_wrap=True)


def show_findings(findings: Iterable[dict[str, Any]]) -> None:
    """A JSON line each: what a finding says differs by kind."""
    for finding in findings:
        sys.stdout.write(json.dumps(finding, ensure_ascii=False) + "\n")


def _lines(answers: Iterable[BaseModel]) -> None:
    for answer in answers:
        sys.stdout.write(answer.model_dump_json() + "\n")


def _state(job: JobOut) -> str:
    colour = {"done": "green", "failed": "red", "cancelled": "yellow"}.get(job.state.value)
    return f"[{colour}]{job.state.value}[/{colour}]" if colour else job.state.value


def _counts(job: JobOut) -> str:
    known = f"{job.items:,}" if job.listed else f"{job.items:,} so far"
    return f"{known}: {job.done:,} done, {job.rejected:,} rejected, {job.failed:,} failed"
