"""What an alignment keeps beside its shards so that it can go on after it was killed; aligns nothing.

OUT/.work holds: the arguments, a lock, and for each shard its part of the features, a journal of what was not
taken (jsonl), and, written last, a note: a shard without a note was never finished and is made again.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from training.atomic import replaced
from training.curation.errors import CurationError
from training.curation.features import delete_features
from training.data.names import as_lines
from training.data.shard_writer import write_manifest
from training.data.shards import NAMES, Manifest

WORK = ".work"
_ARGUMENTS = "align.json"


@dataclass(frozen=True)
class Note:
    """What was finished with one shard.

    records: in the shard. classes: names of those that begin in it. identity, file: the photo of its last
    record, after which the next shard goes on. label: of that identity. photos: looked at, from the first on.
    done: nothing follows.
    """

    records: int
    classes: list[str]
    identity: str
    file: str
    label: int
    photos: int
    done: bool


@dataclass
class Standing:
    """What the notes of all finished shards say together. already: whether nothing was left to do."""

    notes: list[Note] = field(default_factory=list)
    already: bool = False

    @property
    def records(self) -> int:
        return sum(note.records for note in self.notes)

    @property
    def classes(self) -> int:
        return sum(len(note.classes) for note in self.notes)

    @property
    def last(self) -> Note | None:
        return self.notes[-1] if self.notes else None

    @property
    def done(self) -> bool:
        return bool(self.notes) and self.notes[-1].done


class Work:
    """The folder of one alignment, for one process at a time."""

    def __init__(self, out: Path) -> None:
        self.out, self.folder = out, out / WORK

    @contextmanager
    def claimed(self, arguments: dict[str, Any]) -> Iterator[Standing]:
        """Where the alignment stands; what was left unfinished is gone.

        CurationError where OUT holds something else, was begun with other arguments, or is being written.
        """
        if self.out.is_dir() and not self.folder.is_dir():
            foreign = sorted(path.name for path in self.out.iterdir())
            if foreign:
                raise CurationError(
                    f"{self.out} holds {foreign[0]}, which no alignment wrote; choose another folder"
                )
        self.folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CurationError(f"another process is aligning into {self.out}; wait for it") from None
            self._agree(arguments)
            yield self._resumed()
        finally:
            os.close(descriptor)

    def shard(self, number: int) -> Path:
        return self.out / f"shard-{number:06d}.tar"

    def journal(self, number: int) -> Path:
        return self.folder / f"events-{number:06d}.jsonl"

    def note(self, number: int, note: Note) -> None:
        """The last step of a shard."""
        with replaced(self._note(number)) as file:
            file.write(json.dumps(asdict(note)).encode())

    def finish(self, standing: Standing) -> None:
        """Say what the set holds; until then it counts as unfinished. May be repeated."""
        names = [name for note in standing.notes for name in note.classes]
        held = {
            self.shard(number).name: note.records
            for number, note in enumerate(standing.notes)
            if note.records
        }
        with replaced(self.out / NAMES) as file:
            file.write(as_lines(names))
        write_manifest(self.out, Manifest(len(names), True, True, held))

    def _agree(self, arguments: dict[str, Any]) -> None:
        path = self.folder / _ARGUMENTS
        if not path.exists():
            # Before anything else: from here on the folder is known to be an alignment's.
            with replaced(path) as file:
                file.write(json.dumps(arguments, indent=1).encode())
            return
        before = json.loads(path.read_text("utf-8"))
        changed = [name for name in arguments if before.get(name) != arguments[name]]
        if changed:
            name = changed[0]
            raise CurationError(
                f"{self.out} was begun with {name} {before.get(name)}, now it is {arguments[name]}; "
                "give the same, or another folder for the output"
            )

    def _resumed(self) -> Standing:
        standing = Standing()
        while not standing.done and (path := self._note(len(standing.notes))).exists():
            standing.notes.append(Note(**json.loads(path.read_text("utf-8"))))
        standing.already = standing.done
        finished = len(standing.notes)
        for folder in (self.out, self.folder):
            for path in folder.glob(".*.part"):
                path.unlink()
        if not standing.done:
            write_manifest(self.out, Manifest(complete=False))
            for shard in self.out.glob("shard-*.tar"):
                if int(shard.stem.removeprefix("shard-")) >= finished:
                    shard.unlink()
            for journal in self.folder.glob("events-*.jsonl"):
                if int(journal.stem.removeprefix("events-")) >= finished:
                    journal.unlink()
            delete_features(self.folder, beyond=finished - 1)
        return standing

    def _note(self, number: int) -> Path:
        return self.folder / f"note-{number:06d}.json"
