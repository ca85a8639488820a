"""Waits, on the event loop, for work that other threads do for a request, as long as its client is there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from fastapi import Request

from faces.analyzer import Analysis, EmbedWhat
from serving.errors import ApiError
from serving.service import ServedPack, Service

CLIENT_GONE = 499
"""As nginx counts it: nobody reads this answer, only logs and metrics."""


async def analysed(
    request: Request,
    service: Service,
    encoded: Sequence[bytes],
    embed: EmbedWhat,
    served: ServedPack | None = None,
) -> list[Analysis]:
    """The analyses of the request's encoded images, in order, by the main pack or another; of several that fail, the
    first one's error.

    Call it after the body was read. Raises ImageError, QueueFull, DeadlineExceeded, Closed, and ApiError 499.
    """
    photos = service.submit(encoded, embed, served)
    await ended(request, photos)
    return [photo.result() for photo in photos]


async def ended(request: Request, work: Sequence[Future[Any]]) -> None:
    """Returns when every future has ended, well or badly; their results are then at hand.

    When the client is gone before, or this task is cancelled, the futures are cancelled: what has not begun is
    never done. Raises ApiError 499 then. Call it after the body was read: it listens where the body came from.
    """
    whole = asyncio.gather(*(asyncio.wrap_future(future) for future in work), return_exceptions=True)
    gone = asyncio.create_task(_disconnected(request))
    try:
        await asyncio.wait((whole, gone), return_when=asyncio.FIRST_COMPLETED)
        if not whole.done():
            raise ApiError(CLIENT_GONE, "client_gone", "The client closed the connection before the answer.")
    finally:
        gone.cancel()
        for future in work:
            future.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
