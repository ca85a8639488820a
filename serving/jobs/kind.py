"""What a kind of job must say: its options, how it is planned, how items are done, how it ends. Runs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict

from index.job_records import Claim, Job, NewItem, Values
from index.writing import Settlement, Writing
from serving.service import Service

Write = Callable[[Writing], Settlement]
"""Writes what the items of a claim lead to, inside one transaction of the gallery; does nothing slow."""


class Options(BaseModel):
    """Base of every kind's options: strict, frozen, nothing unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class JobFailure(Exception):
    """The job cannot be done, whoever tries again; the message is for the person who asked for it."""


class Kind(Protocol):
    """One kind of job. Its methods run in worker threads, several at once, and may be killed at any line.

    name: as in `kind` of a job. batch: items claimed at once. options: of the job, already valid when any method runs.
    needs_collection: whether the job names one, which exists when the job is made. local: options that only a person
    on this machine may give, since they name files of it.
    """

    name: str
    batch: int
    options: type[Options]
    needs_collection: bool
    local: frozenset[str]

    def suits(self, service: Service, job: Job) -> bool:
        """Whether this process can do it: it serves the pack, it sees the folder."""
        ...

    def plan(self, service: Service, job: Job) -> Iterator[Sequence[NewItem]]:
        """Every item, some at a time, in the same order each time: after a crash it is called again, and items whose
        keys are listed already are left as they are. Raises JobFailure.
        """
        ...

    def work(self, service: Service, claim: Claim) -> Write:
        """Does what is slow for every item of the claim, and returns what is to be written. Raises JobFailure.

        An item is rejected or fails by its Outcome. An exception gives the whole claim back; its items are tried again
        one by one, and the one that raises alone has failed.
        """
        ...

    def finish(self, service: Service, claim: Claim) -> Values | None:
        """The job's result, once every item is settled; None where it listed more items and is not finished.

        May be called again after a crash. Raises JobFailure.
        """
        ...


class OfCollection:
    """What kinds have in common that any process can do: they need a collection, no file and no served pack."""

    needs_collection = True
    local: frozenset[str] = frozenset()

    def suits(self, service: Service, job: Job) -> bool:
        """See Kind.suits."""
        return True


@runtime_checkable
class Checked(Protocol):
    """A kind that can say, when a job is asked for, that it could not begin."""

    def check(self, service: Service, collection: str, options: Mapping[str, Any]) -> None:
        """Raises JobFailure, whose message tells the asker what is in the way."""
        ...
