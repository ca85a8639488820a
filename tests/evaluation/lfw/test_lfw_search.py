"""LFW as identification on real photos: a part of them, so that it takes a minute and not many."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from evaluation.datasets.lfw import open_lfw, person_of
from evaluation.embedding.sources import PackEmbeddings
from evaluation.lfw.search_run import run_lfw_1n
from faces.analyzer import Analyzer
from faces.pack import load_pack

SHARED = Path(os.environ.get("COCIRCLE_DATA") or Path(__file__).parents[4] / "shared")
FOLDER = SHARED / "data" / "lfw"
PEOPLE = 100


@contextmanager
def silent(what: str, total: int) -> Iterator[object]:
    yield lambda done: None


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not FOLDER.is_dir(), reason=f"LFW is not at {FOLDER}; set COCIRCLE_DATA")
def test_the_default_pack_finds_real_people_and_the_engine_finds_the_same() -> None:
    """Two photos each of a hundred people, the first by name of those who have two."""
    lfw = open_lfw(FOLDER)
    photos = Counter(person_of(name) for name in lfw.images.names)
    chosen = [person for person, count in sorted(photos.items()) if count >= 2][:PEOPLE]
    names = [
        name for person in chosen for name in [n for n in lfw.images.names if person_of(n) == person][:2]
    ]
    some = replace(lfw, images=replace(lfw.images, names=tuple(sorted(names))), rest=None)
    source = PackEmbeddings(
        load_pack("default"), lambda pack: Analyzer(pack, threads=2), silent, use_cache=False
    )
    figures = run_lfw_1n(source, some).figures
    closed, opened = figures["closed_set"], figures["open_set"]
    assert (closed["persons"], closed["exact"]["mated"]) == (PEOPLE, PEOPLE)
    assert closed["exact"]["ranks"][0]["rate"] >= 0.97
    assert (opened["persons"], opened["exact"]["strangers"]) == (PEOPLE // 2, PEOPLE)
    assert opened["exact"]["open_set"][0]["point"]["fnir"] <= 0.06
    for engine in (*closed["engines"], *opened["engines"]):
        assert engine["same_best"] >= 0.98
