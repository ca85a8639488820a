"""A file of changes that a person can read and edit: CSV, a record a line. Applies nothing.

# any line that begins with # is for people, but the first may say which set the file is about
record,action,identity
17,drop,
23,move,Jane_Doe
"""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from training.atomic import replaced
from training.curation.edits import Edits
from training.curation.errors import CurationError
from training.curation.origin import Origins
from training.data.records import FaceRecords

HEADER = ["record", "action", "identity"]
_FOR = "# changes of set "


def write_changes(path: Path, edits: Edits, source: Path, records: FaceRecords, fingerprint: str) -> None:
    """Every edit with a line above it that says which photo it is about and why."""
    names = Origins(source, records)
    text = io.StringIO()
    text.write(f"{_FOR}{fingerprint}\n")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(HEADER)
    told = [(record, "drop", "", why) for record, why in edits.drop.items()]
    told += [(record, "move", name, why) for record, (name, why) in edits.move.items()]
    for record, action, name, why in sorted(told):
        text.write(f"# {names[record]}: {why}\n")
        rows.writerow([record, action, name])
    with replaced(path) as file:
        file.write(text.getvalue().encode("utf-8", "backslashreplace"))


def read_changes(path: Path, records: int, fingerprint: str) -> Edits:
    """Its edits of a set with so many records. CurationError names the file, the line and what it should be."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise CurationError(f"{path} is not UTF-8 text ({error.reason} at byte {error.start})") from error
    if lines and lines[0].startswith(_FOR) and lines[0].removeprefix(_FOR).strip() != fingerprint:
        raise CurationError(
            f"{path}, line 1: the changes are of another set, or this one was changed since; "
            "inspect it again, or remove the line if you know better"
        )
    edits = Edits()
    headed = False
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        where = f"{path}, line {number}"
        fields = _fields(line, where)
        if not headed:
            if fields != HEADER:
                raise CurationError(f"{where}: expected the heading {','.join(HEADER)}, found {line!r}")
            headed = True
            continue
        _take(edits, fields, records, where)
    if not headed:
        raise CurationError(f"{path} holds no changes: its first line should be {','.join(HEADER)}")
    return edits


def _fields(line: str, where: str) -> list[str]:
    try:
        (fields,) = csv.reader([line], strict=True)
    except (csv.Error, ValueError) as error:
        raise CurationError(f"{where}: {line!r} is no line of CSV ({error})") from error
    return fields


def _take(edits: Edits, fields: list[str], records: int, where: str) -> None:
    if len(fields) != len(HEADER):
        raise CurationError(f"{where}: expected {','.join(HEADER)}, found {len(fields)} fields")
    said, action, name = fields
    if not re.fullmatch(r"\d{1,12}", said, re.ASCII) or int(said) >= records:
        raise CurationError(f"{where}: the record should be a number within 0..{records - 1}, it is {said!r}")
    record = int(said)
    if record in edits.drop or record in edits.move:
        raise CurationError(f"{where}: record {record} has a change above already")
    if action == "drop" and not name:
        edits.drop[record] = where
    elif action == "move" and name and name == name.strip():
        edits.move[record] = name, where
    elif action in ("drop", "move"):
        wants = "no identity" if action == "drop" else "the identity to move to, without spaces around it"
        raise CurationError(f"{where}: {action} takes {wants}, it is {name!r}")
    else:
        raise CurationError(f"{where}: the action should be drop or move, it is {action!r}")
