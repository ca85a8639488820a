"""Searches of many requests in one: those that wait together and ask alike become one call of the gallery."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faces.analyzer import Analysis
from faces.batching.stage import Observer, Stage
from index.gallery import Gallery
from index.records import Candidate
from serving.errors import ApiError

PROBES = 64
"""In one call of the gallery at most, where several requests share it."""

Found = list[list[Candidate]]
"""For each probe of a request: the candidates, best first."""


@dataclass(frozen=True)
class Search:
    """One request's probes (n, D), and how they are searched."""

    collection: str
    contract_id: str
    limit: int
    threshold: float
    probes: NDArray[Any]

    @property
    def kind(self) -> Hashable:
        """Searches of one kind can share a call."""
        return (self.collection, self.contract_id, self.limit, self.threshold, self.probes.shape[1:])


def search_stage(
    gallery: Gallery, *, places: int, threads: int, shared: bool, observer: Observer
) -> Stage[Search, Found]:
    """A stage that answers as Gallery.identify would each search alone, and fails a search as that would."""

    def identify(searches: Sequence[Search]) -> list[Found]:
        one = searches[0]
        found = gallery.identify(
            one.collection,
            np.concatenate([search.probes for search in searches]),
            contract_id=one.contract_id,
            limit=one.limit,
            threshold=one.threshold,
        )
        rest = iter(found)
        return [[next(rest) for _ in search.probes] for search in searches]

    return Stage(
        "search",
        identify,
        most=PROBES if shared else 1,
        places=places,
        threads=threads,
        weigh=lambda search: len(search.probes),
        alike=lambda search: search.kind,
        observer=observer,
    )


class PhotoSearch:
    """A photo's analysis and then a search with what it shows: one future, `found`, cancelled as a whole.

    `analyzed` goes to Pipeline.submit as its `then`: the thread that ends the analysis begins the search, and
    waits while the search stage is full, so that a request admitted with its photo is not refused half-way.
    """

    def __init__(
        self, stage: Stage[Search, Found], ask: Callable[[Analysis], Search], deadline: float | None
    ) -> None:
        """ask: what to search for; what it raises is the outcome. deadline: of time.monotonic()."""
        self.found: Future[Found] = Future()
        self._stage = stage
        self._ask = ask
        self._deadline = deadline
        self._begun: list[Future[Any]] = []
        self._ended = False
        # Without this object itself: a future keeps its callbacks, and the two would keep each other.
        self.found.add_done_callback(partial(_stop_when_cancelled, self._begun))

    def began(self, photo: Future[Analysis]) -> None:
        """The analysis under way, to be cancelled with the whole."""
        self._begun.append(photo)
        self._look_at_the_end()

    def analyzed(self, photo: Future[Analysis]) -> None:
        """The analysis has ended."""
        failure = CancelledError() if photo.cancelled() else photo.exception()
        if failure is not None:
            self._end(failure)
            return
        try:
            search = self._ask(photo.result())
            begun = self._stage.submit(search, deadline=self._deadline, wait=True, then=self._searched)
        except ApiError as refusal:
            # Its traceback knows the frames of the thread that called, and with them the photo.
            self._end(refusal.with_traceback(None))
        except BaseException as error:
            self._end(error)
        else:
            self._begun.append(begun)
            self._look_at_the_end()

    def _searched(self, search: Future[Found]) -> None:
        failure = CancelledError() if search.cancelled() else search.exception()
        self._end(search.result() if failure is None else failure)

    def _look_at_the_end(self) -> None:
        # Another thread may have ended or cancelled the whole since.
        _stop_when_cancelled(self._begun, self.found)
        if self._ended:
            self._begun.clear()

    def _end(self, outcome: Found | BaseException) -> None:
        self._ended = True
        self._begun.clear()
        if not self.found.set_running_or_notify_cancel():
            return
        if isinstance(outcome, BaseException):
            self.found.set_exception(outcome)
        else:
            self.found.set_result(outcome)


def _stop_when_cancelled(begun: list[Future[Any]], found: Future[Found]) -> None:
    if found.cancelled():
        for future in list(begun):
            future.cancel()
