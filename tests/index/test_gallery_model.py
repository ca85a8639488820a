"""The gallery against a dictionary: random writes, searches, snapshots and reopenings must agree."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from index import errors
from index.engine.faiss_cpu import FaissCpuEngine
from index.engine.held import Tuning
from index.gallery import Gallery, GallerySettings
from index.records import Fusion, NewCollection, NewFace, NewPerson, Search
from index.store.postgres import PostgresStore
from index.store.sqlite import SqliteStore
from tests.index.conftest import BOTH_STORES, CONTRACT, unit

DIMENSION = 8
VECTORS = np.random.default_rng(6).standard_normal((40, DIMENSION))
# So small that a few faces make segments, merges and codes.
TINY = Tuning(fast_from=16, train_from=16, delta_rows=4, segment_rows=8, small_segments=1)
PEOPLE = 24
PERSON = st.sampled_from([f"p{n}" for n in range(PEOPLE)])
FACE = st.tuples(st.integers(0, 39), st.sampled_from([0.0, 0.3, 1.0]))


class GalleryModel(RuleBasedStateMachine):
    def __init__(self, new_database: Callable[[], str | None]) -> None:
        super().__init__()
        self.database = new_database()

    @initialize(fusion=st.sampled_from(list(Fusion)), search=st.sampled_from(list(Search)))
    def start(self, fusion: Fusion, search: Search) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.fusion = fusion
        self.truth: dict[str, list[tuple[str, int, float]]] = {}
        self.open()
        self.gallery.create_collection(NewCollection("c", CONTRACT, DIMENSION, fusion=fusion, search=search))

    def open(self) -> None:
        path = Path(self.folder.name)
        settings_ = GallerySettings(path, background=False)
        store = SqliteStore(path) if self.database is None else PostgresStore(self.database)
        self.gallery = Gallery(settings_, store, FaissCpuEngine(path, TINY))
        self.gallery._start()

    def teardown(self) -> None:
        if hasattr(self, "gallery"):
            try:
                self.gallery.close()
            finally:
                self.folder.cleanup()

    @rule(person=PERSON, faces=st.lists(FACE, min_size=1, max_size=4))
    def add(self, person: str, faces: list[tuple[int, float]]) -> None:
        new = [NewFace(VECTORS[n], quality) for n, quality in faces]
        written = self.gallery.add_faces(
            "c", person, new, contract_id=CONTRACT, create_person=NewPerson(person), exist_ok=True
        )
        records = [(r.id, n, q) for r, (n, q) in zip(written.faces, faces, strict=True)]
        self.truth.setdefault(person, []).extend(records)

    @rule(items=st.lists(st.tuples(PERSON, FACE), min_size=1, max_size=8))
    def enroll(self, items: list[tuple[str, tuple[int, float]]]) -> None:
        new = [(person, NewFace(VECTORS[n], quality)) for person, (n, quality) in items]
        (written,) = self.gallery.enroll_templates("c", new, contract_id=CONTRACT)
        for record, (person, (n, quality)) in zip(written.faces, items, strict=True):
            self.truth.setdefault(person, []).append((record.id, n, quality))

    @rule(person=PERSON)
    def delete_person(self, person: str) -> None:
        if self.truth.pop(person, None) is None:
            with pytest.raises(errors.UnknownPerson):
                self.gallery.delete_person("c", person)
        else:
            self.gallery.delete_person("c", person)

    @rule(person=PERSON, which=st.integers(0, 100))
    def delete_face(self, person: str, which: int) -> None:
        faces = self.truth.get(person)
        if faces:
            id, _, _ = faces.pop(which % len(faces))
            self.gallery.delete_face("c", person, id)

    @rule(into=PERSON, source=PERSON)
    def merge(self, into: str, source: str) -> None:
        if into != source and into in self.truth and source in self.truth:
            self.gallery.merge_persons("c", into, source)
            self.truth[into].extend(self.truth.pop(source))

    @rule(search=st.sampled_from(list(Search)))
    def search_otherwise(self, search: Search) -> None:
        self.gallery.update_collection("c", search=search)

    @rule(snapshot=st.booleans())
    def upkeep(self, snapshot: bool) -> None:
        self.gallery.maintain(snapshot=snapshot)

    @rule()
    def reopen(self) -> None:
        self.gallery.close()
        self.open()

    @rule()
    def lose_the_process(self) -> None:
        """As after a kill: nothing is saved at the end."""
        self.gallery._engine.close()
        self.gallery._store.close()
        self.open()

    def scores(self, person: str, probe: np.ndarray) -> list[float]:
        faces = self.truth[person]
        if not faces:
            return []
        samples = unit(VECTORS[[n for _, n, _ in faces]])
        if self.fusion is Fusion.SAMPLES:
            return (samples @ probe).tolist()
        weights = np.array([quality for _, _, quality in faces])
        if weights.sum() == 0:
            weights = np.ones(len(faces))
        return [float(unit(weights @ samples) @ probe)]

    @invariant()
    def answers_are_those_of_the_dictionary(self) -> None:
        if not hasattr(self, "gallery"):
            return
        probe = unit(VECTORS[len(self.truth) % 40] + 0.1)
        expected = {p: max(self.scores(p, probe)) for p in self.truth if self.scores(p, probe)}
        (found,) = self.gallery.identify("c", probe[None], contract_id=CONTRACT, limit=PEOPLE, threshold=0.2)
        sure = {p for p, score in expected.items() if score > 0.2 + 2e-3}
        possible = {p for p, score in expected.items() if score > 0.2 - 2e-3}
        assert sure <= {c.person_id for c in found} <= possible
        for candidate in found:
            assert abs(candidate.cosine - expected[candidate.person_id]) < 2e-3
            verified = self.gallery.verify("c", candidate.person_id, probe, contract_id=CONTRACT)
            assert verified == candidate
        collection = self.gallery.collection("c")
        assert collection.persons == len(self.truth)
        assert collection.faces == sum(map(len, self.truth.values()))


@BOTH_STORES
def test_a_gallery_answers_as_a_dictionary_would(new_database: Callable[[], str | None]) -> None:
    examples = 10 if new_database() is None else 3
    run_state_machine_as_test(
        lambda: GalleryModel(new_database),
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
