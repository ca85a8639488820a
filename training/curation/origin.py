"""What a record was called before it came into a shard, as the .json beside it says; reads no image."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path

from training.data.records import BadRecord, FaceRecords
from training.data.shard_scan import IMAGES
from training.data.tar import DamagedTar, members

_IN_SHARD = re.compile(r"(?P<stem>.+)\.(?P<suffix>\w+) in (?P<shard>[^/]+\.tar)")
_OPEN_SHARDS = 2
_LONGEST = 1 << 16


class Origins:
    """Names for people, of the records of a source: the photo's where it is known, else what the reader calls it."""

    def __init__(self, source: Path, records: FaceRecords) -> None:
        self._folder = source if source.is_dir() else source.parent
        self._records = records
        self._said = lru_cache(_OPEN_SHARDS)(self._scanned)

    def __getitem__(self, record: int) -> str:
        try:
            name = self._records.name(record)
        except BadRecord as error:
            return error.record
        found = _IN_SHARD.fullmatch(name)
        if found is None or found["suffix"].lower() not in IMAGES:
            return name
        return self._told(found["shard"], found["stem"]) or name

    def _told(self, shard: str, stem: str) -> str | None:
        place = self._said(shard).get(stem)
        if place is None:
            return None
        with (self._folder / shard).open("rb") as file:
            file.seek(place[0])
            try:
                about = json.loads(file.read(place[1]))
            except ValueError:
                return None
        name = about.get("name") if isinstance(about, dict) else None
        return name if isinstance(name, str) else None

    def _scanned(self, shard: str) -> dict[str, tuple[int, int]]:
        """Where the .json of each record of a shard lies, and its bytes, as far as the shard can be read."""
        found = {}
        try:
            with (self._folder / shard).open("rb", buffering=1 << 20) as file:
                for name, offset, size in members(file):
                    if name.endswith(".json") and size <= _LONGEST:
                        found[name.removesuffix(".json")] = offset, size
        except (OSError, DamagedTar):
            return found
        return found
