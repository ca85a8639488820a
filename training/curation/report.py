"""Findings <-> report.json, with every rejected photo of an alignment; a line of the file an entry."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from training.atomic import replaced
from training.curation.errors import CurationError
from training.curation.findings import (
    Aligned,
    Copies,
    Damaged,
    Doubtful,
    Face,
    Findings,
    Looked,
    Merged,
    Outlier,
    Part,
    Split,
)
from training.curation.work import WORK

FORMAT = 1
REPORT = "report.json"
BIOMETRIC = (
    "The embeddings in this folder are biometric data: whoever has them can search for these people. They are kept "
    "so that the next look takes seconds. Delete the folder's part-* files, or inspect with --no-embeddings, when "
    "you are done."
)
_LISTS = ("damaged", "copies", "outliers", "merged", "split", "doubtful")


def aligned(out: Path, records: int) -> Aligned | None:
    """What the journals of an alignment say in sum; None where there was no alignment."""
    if not (out / WORK).is_dir():
        return None
    reasons: Counter[str] = Counter()
    rejected = accepted_of_left = left_out = links = 0
    for event in _events(out):
        if "photo" in event:
            rejected += 1
            reasons.update(event["reasons"])
        elif "identity" in event:
            left_out += 1
            accepted_of_left += event["accepted"]
        else:
            links += 1
    accepted = records + accepted_of_left
    return Aligned(accepted + rejected, accepted, dict(sorted(reasons.items())), left_out, links)


def write_report(path: Path, findings: Findings, out: Path | None = None) -> None:
    """The findings, and from the journals in `out` each rejected photo, each identity left out, each link."""
    head: dict[str, Any] = {"format": FORMAT, "looked": asdict(findings.looked)}
    head["biometric_data"] = {"folder": findings.looked.features, "note": BIOMETRIC}
    head["aligned"] = asdict(findings.aligned) if findings.aligned is not None else None
    with replaced(path) as file:
        file.write(b"{\n")
        for name, value in head.items():
            file.write(f"{json.dumps(name)}: {json.dumps(value)},\n".encode())
        for name in _LISTS:
            _write_list(file, name, (asdict(entry) for entry in getattr(findings, name)))
            file.write(b",\n")
        for name, key in (("rejected", "photo"), ("left_out", "identity"), ("links", "link")):
            events = (event for event in _events(out) if key in event) if out is not None else iter(())
            _write_list(file, name, events)
            file.write(b"\n" if name == "links" else b",\n")
        file.write(b"}\n")


def read_report(path: Path) -> Findings:
    """The findings of a report. CurationError where it is none, or one of another release."""
    try:
        said = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise CurationError(f"no report at {path}; make one: cocircle data inspect SHARDS") from None
    except ValueError as error:
        raise CurationError(f"{path} is no JSON ({error})") from error
    if not isinstance(said, dict) or said.get("format") != FORMAT:
        raise CurationError(
            f"{path} is no report of format {FORMAT}; make it again: cocircle data inspect SHARDS"
        )
    try:
        return Findings(
            looked=Looked(**said["looked"]),
            damaged=[Damaged(Face(**one["face"]), one["reason"]) for one in said["damaged"]],
            copies=[Copies(**{**one, "faces": _faces(one["faces"])}) for one in said["copies"]],
            outliers=[Outlier(**{**one, "face": Face(**one["face"])}) for one in said["outliers"]],
            merged=[
                Merged(**{**one, "others": [_faces(group) for group in one["others"]]})
                for one in said["merged"]
            ],
            split=[
                Split(**{**one, "keep": Part(**one["keep"]), "move": Part(**one["move"])})
                for one in said["split"]
            ],
            doubtful=[Doubtful(one["identity"], _faces(one["faces"])) for one in said["doubtful"]],
            aligned=Aligned(**said["aligned"]) if said["aligned"] is not None else None,
        )
    except (KeyError, TypeError) as error:
        raise CurationError(
            f"{path} is damaged ({error}); make it again: cocircle data inspect SHARDS"
        ) from error


def _faces(entries: list[dict[str, Any]]) -> list[Face]:
    return [Face(**entry) for entry in entries]


def _events(out: Path) -> Iterator[dict[str, Any]]:
    for journal in sorted((out / WORK).glob("events-*.jsonl")):
        with journal.open("rb") as lines:
            yield from map(json.loads, lines)


def _write_list(file: BinaryIO, name: str, entries: Iterator[dict[str, Any]]) -> None:
    file.write(f"{json.dumps(name)}: [".encode())
    for at, entry in enumerate(entries):
        file.write((b",\n " if at else b"\n ") + json.dumps(entry).encode())
    file.write(b"]")
