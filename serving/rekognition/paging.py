"""Pages of listings: signed tokens, and how many items a page has. Lists nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

from serving.cursors import Cursors
from serving.errors import ApiError
from serving.rekognition.errors import AwsError

Item = TypeVar("Item")


class Pages:
    """The pages of one listing: an operation in a collection, and of a user where it is one's."""

    def __init__(self, cursors: Cursors, operation: str, *of: str) -> None:
        self._cursors = cursors
        # Short: a token has a length, and the ids of a collection and a user together are longer.
        self._name = hashlib.sha256("/".join((operation, *of)).encode()).hexdigest()[:16]

    def after(self, token: str | None) -> str | None:
        """What a page goes on after, None for the first. Raises AwsError for a token that is not of this listing."""
        try:
            return self._cursors.read(self._name, token)
        except ApiError:
            message = "NextToken is not one of this listing; start again without it."
            raise AwsError("InvalidPaginationTokenException", message) from None

    def token(self, last: str) -> str:
        """The token of the page after `last`."""
        return self._cursors.sign(self._name, last)


def cut(found: Sequence[Item], size: int) -> tuple[Sequence[Item], Item | None]:
    """A page of `size` of what was read one beyond it, and the last of the page where another page follows."""
    page = found[:size]
    return page, (page[-1] if len(found) > size else None)
