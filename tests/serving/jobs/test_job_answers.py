"""What of a job's items is told to clients."""

from __future__ import annotations

from index.job_records import ItemRecord, ItemState
from serving.job_answers import item_out


def test_templates_that_a_kind_keeps_for_its_next_step_are_told_to_nobody() -> None:
    kept = {"faces": 2, "unknown": [{"face": 0, "template": "AAAA", "quality": 0.5}], "template": "BBBB"}
    record = ItemRecord(1, "photo.jpg", ItemState.DONE, 1, (), "", kept, None)
    assert item_out(record).result == {"faces": 2, "unknown": [{"face": 0, "quality": 0.5}]}
