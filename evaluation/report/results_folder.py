"""Results of protocols as files, one a protocol and contract, so that one page can show what several runs measured."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from evaluation.datasets.images import DatasetError
from evaluation.report.protocol_result import ProtocolResult
from faces.pack_source import write_whole

_RESULT = TypeAdapter(ProtocolResult)


def keep(results: Sequence[ProtocolResult], folder: Path) -> None:
    """Writes each result; one of the same protocol, subject, contract and data is replaced."""
    for result in results:
        # One file under two names has one contract, and one pack may be measured on several sets.
        whose = hashlib.sha256(repr((result.subject, sorted(result.data.items()))).encode()).hexdigest()[:8]
        name = f"{result.protocol}-{result.contract_id}-{whose}.json"
        write_whole(folder / name, _RESULT.dump_json(result, indent=1) + b"\n")


def kept(folder: Path) -> list[ProtocolResult]:
    """All results of a folder, by file name. DatasetError where there are none, or one is damaged."""
    if not folder.is_dir():
        raise DatasetError(f"there is no folder {folder}: evaluate with --results {folder} first")
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise DatasetError(f"{folder} holds no results; evaluate with --results {folder}")
    return [_read(path) for path in paths]


def _read(path: Path) -> ProtocolResult:
    try:
        return _RESULT.validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise DatasetError(f"{path} is no result of an evaluation: {where}: {first['msg']}") from error
