"""Searches of the gallery: probes against everybody, or against one person, at a moment that no write tears apart."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Row

from index.engine.base import Hits, VectorEngine
from index.errors import EngineBehind, InvalidRecord, UnknownFace
from index.follower import Follower
from index.records import Candidate, Fusion
from index.store import collections, faces, log, persons, searched
from index.store.base import TemplateStore
from index.template import Float32, cosines, unit_rows, unpacked, widened
from index.whole_writes import Ghosts, whole

PROBES_A_THREAD = 32


class Identification:
    """Asks the engine for rows and the store for names. The gallery holds one; threads may call it at once."""

    def __init__(self, store: TemplateStore, engine: VectorEngine, follower: Follower, threads: int) -> None:
        """threads: over which the probes of one call are spread."""
        self._store = store
        self._engine = engine
        self._follower = follower
        self._pool = ThreadPoolExecutor(threads, "gallery-search") if threads > 1 else None

    def close(self) -> None:
        """Ends its threads."""
        if self._pool is not None:
            self._pool.shutdown()

    def identify(
        self,
        collection: str,
        probes: NDArray[Any],
        contract_id: str,
        limit: int,
        threshold: float,
    ) -> list[list[Candidate]]:
        """See Gallery.identify."""
        if limit < 1:
            raise InvalidRecord(f"limit is {limit}, it must be at least 1")
        while True:
            with self._store.read() as connection:
                found = collections.row_for(connection, collection, contract_id)
                revision = log.revision(connection)
            units = unit_rows(probes, found.dimension)
            self._follower.catch_up(revision)
            try:
                hits = self._search(found.key, units, limit, threshold)
            except KeyError as error:
                # Exchanged and then discarded, it is a collection still, of another contract.
                with self._store.read() as connection:
                    now = collections.row_for(connection, collection, contract_id)
                if now.key != found.key:
                    continue
                raise EngineBehind(f"collection {collection!r} is being loaded again; ask again") from error
            answer = self._whole(found, revision, units, hits, limit, threshold)
            named = None if answer is None else self._named(answer, Fusion(found.fusion) is Fusion.SAMPLES)
            if named is not None:
                return named
            self._follower.follow()

    def _search(self, key: int, units: Float32, limit: int, threshold: float) -> list[Hits]:
        if self._pool is None or len(units) <= PROBES_A_THREAD:
            return list(self._engine.search(key, units, limit, threshold).hits)
        parts = [units[at : at + PROBES_A_THREAD] for at in range(0, len(units), PROBES_A_THREAD)]
        answers = self._pool.map(lambda part: self._engine.search(key, part, limit, threshold), parts)
        return [hits for answer in answers for hits in answer.hits]

    def _whole(
        self, found: Row[Any], since: int, units: Float32, hits: list[Hits], limit: int, threshold: float
    ) -> list[Hits] | None:
        """None where it must be searched again. Raises EngineBehind."""
        if not self._engine.capabilities.shared:
            return hits
        try:
            with self._store.read() as connection:
                return whole(connection, found, since, units, hits, limit, threshold)
        except Ghosts as error:
            self._engine.doubt(found.key)
            raise EngineBehind(
                "the vector engine found somebody who is not there; it is made anew"
            ) from error

    def _named(self, hits: Sequence[Hits], with_faces: bool) -> list[list[Candidate]] | None:
        """None when somebody found was deleted meanwhile: whoever came next must not be missing."""
        keys = sorted({key for hit in hits for key in hit.persons.tolist()})
        if not keys:
            return [[] for _ in hits]
        rows = sorted({key for hit in hits for key in hit.keys.tolist()}) if with_faces else []
        with self._store.read() as connection:
            known = persons.names(connection, keys)
            ids = faces.ids(connection, rows)
        if len(known) < len(keys) or len(ids) < len(rows):
            return None
        return [
            [
                Candidate(*known[person], cosine=cosine, face_id=ids.get(row))
                for person, row, cosine in zip(
                    hit.persons.tolist(), hit.keys.tolist(), hit.cosines.tolist(), strict=True
                )
            ]
            for hit in hits
        ]

    def verify(self, collection: str, person_id: str, probe: NDArray[Any], contract_id: str) -> Candidate:
        """See Gallery.verify."""
        with self._store.read() as connection:
            found = collections.row_for(connection, collection, contract_id)
            person = persons.row(connection, found, person_id)
            space = searched.space(found)
            by_sample = space.fusion is Fusion.SAMPLES
            samples = faces.samples(connection, person.key) if by_sample else []
        blobs = [vector for _, _, vector in samples] if by_sample else [person.template]
        if not blobs or blobs[0] is None:
            raise UnknownFace(
                f"person {person_id!r} of collection {collection!r} has no face to compare with"
            )
        unit = unit_rows(np.asarray(probe)[None], space.dimension)[0]
        scores = cosines(widened(unpacked(blobs, space.dimension, space.precision)), unit)
        best = int(np.argmax(scores))
        face_id = samples[best][1] if by_sample else None
        return Candidate(person.id, person.name, float(scores[best]), face_id)
