"""What goes over the wire about jobs, as strictly as schemas.py does for the rest."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, Json, model_validator

from index.job_records import ItemState, JobState
from serving.schemas import Answer, Body, CollectionId, Name, PersonId
from serving.scopes import Scope

KindName = Annotated[str, Field(pattern=r"^[a-z][a-z_]{0,31}$")]
ItemKey = Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]


class JobIn(Body):
    """A new job. options: by kind. open: items are uploaded to it, until it is started."""

    kind: KindName
    collection: CollectionId | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    open: bool = False


class UploadedItem(Body):
    """One image of an upload. item: the caller's own key, by which a repeated upload is known.

    person: whom it shows; name: of the person, where a new one is made.
    """

    item: ItemKey
    person: PersonId | None = None
    name: Name | None = None


class UploadedItems(Body):
    """An item for each image, in the same order."""

    items: list[UploadedItem] = Field(min_length=1, max_length=1000)

    @model_validator(mode="after")
    def _every_key_is_there_once(self) -> UploadedItems:
        seen: set[str] = set()
        for one in self.items:
            if one.item in seen:
                raise ValueError(f"the item {one.item[:80]!r} is listed twice")
            seen.add(one.item)
        return self


class UploadForm(Body):
    """The form field beside the images: `options`, a JSON object."""

    options: Json[UploadedItems]


class JobOut(Answer):
    """A job. done, rejected, failed: of `items`, which grow until `listed` is true.

    items_per_second: since the job was first begun, pauses included. seconds_left: at that rate; None before it is
    known. options: those that name files of the service's machine are left out. message: why it failed.
    """

    id: str
    kind: str
    collection: str | None
    owner: str
    options: dict[str, Any]
    state: JobState
    listed: bool
    items: int
    done: int
    rejected: int
    failed: int
    items_per_second: float | None
    seconds_left: float | None
    result: dict[str, Any]
    message: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class JobPage(Answer):
    """One page, newest first; `next` is the cursor of the following one, or None."""

    items: list[JobOut]
    next: str | None


class ItemOut(Answer):
    """What became of an item. reasons: stable codes, where it was rejected or failed. result: by kind."""

    item: str
    state: ItemState
    attempts: int
    reasons: list[str]
    message: str
    result: dict[str, Any]
    settled_at: datetime | None


class ItemPage(Answer):
    """One page in the order the items came; `next` is the cursor of the following one, or None."""

    items: list[ItemOut]
    next: str | None


class FindingPage(Answer):
    """One page of what the job found, by kind; `next` is the cursor of the following one, or None."""

    items: list[dict[str, Any]]
    next: str | None


class KindOut(Answer):
    """A kind of job as clients may ask for it. scope: what a key needs; needs_collection: whether it must name one.

    uploads: whether its items are uploaded, to a job that is made `open`. options: the JSON Schema of its options,
    without those that name files of the service's machine.
    """

    kind: str
    scope: Scope
    needs_collection: bool
    uploads: bool
    options: dict[str, Any]


class KindsOut(Answer):
    """Every kind of job."""

    items: list[KindOut]


class AddedOut(Answer):
    """added: how many items were new; the others were there already and are left as they are."""

    added: int
    job: JobOut
