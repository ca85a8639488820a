"""Parts of a collection: the same ones whoever comes and goes, everybody in one, and each read by itself alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import select, text
from sqlalchemy.dialects import sqlite

from index.carried import Span
from index.errors import InvalidRecord
from index.gallery import Gallery
from index.records import NewCollection, NewFace, NewPerson, Precision
from index.store import collections, spans
from index.store.schema import persons
from index.writing import Writing
from tests.index.conftest import BOTH_STORES, CONTRACT


@pytest.fixture
def gallery(opened: Callable[..., Gallery]) -> Gallery:
    gallery = opened()
    for id in ("people", "others"):
        gallery.create_collection(NewCollection(id, CONTRACT, 8))
    return gallery


def listed(gallery: Gallery, size: int) -> dict[Span, list[str]]:
    with gallery.reading() as reading:
        return {
            span: [person.id for person in reading.carried("people", span, with_crops=False)]
            for span in reading.spans("people", size)
        }


@BOTH_STORES
def test_everybody_is_in_one_span_and_spans_stay_when_people_come_and_go(gallery: Gallery) -> None:
    for at in range(20):
        gallery.create_person("others" if at % 3 == 0 else "people", NewPerson(f"p{at:02}"))
    before = listed(gallery, 4)
    assert sorted(id for some in before.values() for id in some) == [
        f"p{at:02}" for at in range(20) if at % 3
    ]
    assert all(span.first % 4 == 0 and span.last == span.first + 3 for span in before)
    gallery.delete_person("people", "p01")
    gallery.create_person("people", NewPerson("new"))
    after = listed(gallery, 4)
    for span, some in after.items():
        left = [id for id in before.get(span, []) if id != "p01"]
        assert some[: len(left)] == left
        assert set(some) - set(left) <= {"new"}


@BOTH_STORES
def test_copies_are_photos_of_two_persons_of_one_collection(gallery: Gallery) -> None:
    seen = [("people", "a", "01"), ("people", "b", "01"), ("people", "b", "01"), ("people", "c", "02")]
    seen += [("others", "d", "02"), ("others", "e", "01"), ("people", "c", None), ("people", "d", None)]
    for collection, id, source in seen:
        face = NewFace(np.eye(8)[0], source=source)
        gallery.add_faces(
            collection, id, [face], contract_id=CONTRACT, create_person=NewPerson(id), exist_ok=True
        )
    with gallery.reading() as reading:
        assert reading.copies("people") == [("01", "a"), ("01", "b")]
        assert reading.copies("others") == []


def test_a_span_is_read_without_walking_through_the_whole_collection(gallery: Gallery) -> None:
    with gallery._store.read() as connection:
        found = collections.row(connection, "people")
        query = select(persons).where(spans.inside(found, Span(100, 199))).order_by(persons.c.key)
        statement = query.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})  # type: ignore[no-untyped-call]
        plan = [step.detail for step in connection.execute(text(f"EXPLAIN QUERY PLAN {statement}"))]
    assert plan == ["SEARCH persons USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"]


def test_what_is_restored_half_wrong_is_not_restored_at_all(gallery: Gallery) -> None:
    gallery.add_faces(
        "others", "a", [NewFace(np.eye(8)[0])], contract_id=CONTRACT, create_person=NewPerson("a")
    )
    with gallery.reading() as reading:
        (span,) = reading.spans("others", 1000)
        (person,) = reading.carried("others", span, with_crops=True)
    wrong = replace(person, id="b", faces=[replace(person.faces[0], quality=7.0)])
    with gallery._store.write() as connection:
        writing = Writing(connection)
        with pytest.raises(InvalidRecord, match="quality"):
            writing.restore("people", [person, wrong], contract_id=CONTRACT, precision=Precision.FLOAT16)
        writing.restore(
            "people", [replace(person, id="c")], contract_id=CONTRACT, precision=Precision.FLOAT16
        )
    assert [one.id for one in gallery.persons("people")] == ["c"]
    assert gallery.collection("people").persons == 1
