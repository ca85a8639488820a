"""Drawing a gallery: what must hold for any photos, any share and any seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.identification.enrolment import draw_enrolment


@given(st.lists(st.integers(0, 12), min_size=1, max_size=40), st.floats(0, 0.45), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_every_photo_has_one_part_and_every_enrolled_person_one_template(
    labels: list[int], share: float, seed: int
) -> None:
    people = np.array(labels)
    drawn = draw_enrolment(people, not_enrolled=share, seed=seed)
    parts = [drawn.gallery, drawn.mated, drawn.strangers]
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(labels)))
    enrolled = people[drawn.gallery]
    assert len(set(enrolled.tolist())) == len(enrolled)
    assert set(people[drawn.mated].tolist()) <= set(enrolled.tolist())
    assert not set(people[drawn.strangers].tolist()) & set(enrolled.tolist())
    photos = np.bincount(people)
    for group in (np.flatnonzero(photos == 1), np.flatnonzero(photos > 1)):
        outside = len(set(people[drawn.strangers].tolist()) & set(group.tolist()))
        assert outside == round(share * len(group))
    assert drawn.probes.tolist() == sorted([*drawn.mated.tolist(), *drawn.strangers.tolist()])


def test_a_seed_gives_one_split_and_the_share_leaves_the_gallery_photos_as_they_are() -> None:
    people = np.random.default_rng(0).integers(0, 50, 300)
    closed, opened = draw_enrolment(people), draw_enrolment(people, not_enrolled=0.5)
    assert closed.gallery.tolist() == draw_enrolment(people).gallery.tolist()
    assert set(opened.gallery.tolist()) < set(closed.gallery.tolist())
    assert closed.gallery.tolist() != draw_enrolment(people, seed=1).gallery.tolist()
    assert not closed.strangers.size


def test_splits_that_cannot_be_drawn_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one photo"):
        draw_enrolment(np.empty(0, np.int64))
    with pytest.raises(ValueError, match=r"lies in 0\.\.1; it is 1\.2"):
        draw_enrolment(np.arange(3), not_enrolled=1.2)
    with pytest.raises(ValueError, match="of 3 people none is enrolled"):
        draw_enrolment(np.arange(3), not_enrolled=1.0)
