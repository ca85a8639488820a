"""Photos that clients send to an open job, each with its person; nothing of this machine is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from index.job_records import Values
from serving.jobs.sources.source import Listed, Source, Unfit


class Uploads(Source):
    """The items are added by whoever owns the job: bytes as `upload`, and `person` in the payload, perhaps `name`."""

    kind: Literal["uploads"] = "uploads"

    def visible(self) -> bool:
        """See PhotoSource.visible."""
        return True

    def listing(self) -> Iterator[Listed]:
        """Nothing: all items are there already."""
        return iter(())

    def read(self, where: Values, most: int) -> bytes:
        """Raises Unfit: an item without its upload has nothing to be read."""
        raise Unfit("it was sent without a photo")
