"""Takes or restores a backup, and tells when it is half-way, to be killed: `take|restore HOME FILE [DATABASE]`."""

from __future__ import annotations

import sys
from pathlib import Path

from index.backup import parts, take
from serving import backup
from tests.serving.backup_kit import settings


def stop_half_way(done: int, of: int) -> None:
    if done * 2 >= of:
        sys.stdout.write("half\n")
        sys.stdout.flush()
        sys.stdin.read()


def main() -> None:
    what, home, file, *database = sys.argv[1:]
    parts.PART_BYTES = take.PART_BYTES = 4096
    at = settings(Path(home), database[0] if database else None)
    if what == "take":
        backup.back_up(at, Path(file), stop_half_way)
    else:
        with Path(file).open("rb") as opened:
            backup.restore_from(at, opened, stop_half_way)


if __name__ == "__main__":
    main()
