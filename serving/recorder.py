"""Writes behind the answers what they leave in the store: searches for the audit, and when keys were last used."""

from __future__ import annotations

import threading
from collections import deque

import structlog

from index.audit import Search
from index.audit_records import Action, Actor, Note, actor
from index.errors import StoreUnavailable
from index.gallery import Gallery
from index.store import clock
from serving.keys import Key

log = structlog.get_logger()

FLUSH_SECONDS = 1.0
AT_ONCE = 500
WAITING_AT_MOST = 20_000
"""Searches that wait to be written; beyond, a line of the audit says how many more there were."""
USED_MICROSECONDS = 60_000_000
"""How much later a key must be used for that to be written again."""


class Recorder:
    """One thread that writes each second what came meanwhile, and the rest when it is closed.

    A process that is killed loses what came since the last time.
    """

    def __init__(self, gallery: Gallery, *, searches: bool = True) -> None:
        """searches: whether they are audited at all."""
        self._gallery = gallery
        self._searches = searches
        self._news = threading.Condition()
        self._waiting: deque[Search] = deque()
        self._lost = 0
        self._used: dict[str, int] = {}
        self._told: dict[str, int] = {}
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def searched(self, note: Note) -> None:
        """A search was answered for whoever acts; it waits for nothing."""
        if not self._searches:
            return
        search = Search(note, actor(), clock.now())
        with self._news:
            if len(self._waiting) >= WAITING_AT_MOST:
                self._lost += 1
                return
            self._waiting.append(search)
            self._news.notify()

    def used(self, key: Key) -> None:
        """A key was used now; written at most once a minute."""
        now = clock.now()
        with self._news:
            if now - self._told.get(key.id, 0) < USED_MICROSECONDS:
                return
            self._told[key.id] = self._used[key.id] = now
            self._news.notify()

    def close(self) -> None:
        """Returns when everything is written, or the store refused it."""
        with self._news:
            self._closing = True
            self._news.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._closing or self._waiting or self._used)
                self._news.wait_for(lambda: self._closing, FLUSH_SECONDS)
                closing = self._closing
            try:
                self._flush()
            except StoreUnavailable:
                log.warning("the audit of searches waits for the store", searches=len(self._waiting))
            except Exception as error:
                log.error("the audit of searches could not be written", kind=type(error).__name__)
            if closing:
                if self._waiting:
                    log.error("searches are lost to the audit", searches=len(self._waiting) + self._lost)
                return

    def _flush(self) -> None:
        with self._news:
            used, self._used = self._used, {}
        try:
            self._gallery.keys.used(used)
        except StoreUnavailable:
            with self._news:
                self._used = {**used, **self._used}
            raise
        while part := self._part():
            self._gallery.audit.searched(part)
            with self._news:
                for _ in part:
                    self._waiting.popleft()
        self._tell_lost()

    def _part(self) -> list[Search]:
        with self._news:
            return [self._waiting[at] for at in range(min(AT_ONCE, len(self._waiting)))]

    def _tell_lost(self) -> None:
        with self._news:
            lost, self._lost = self._lost, 0
        if lost:
            note = Note(Action.SEARCHES_LOST, outcome="too_many", faces=lost)
            self._gallery.audit.searched([Search(note, Actor(), clock.now())])
