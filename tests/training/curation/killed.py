"""Aligns in a process that dies at the n-th change of the disk, for each n in turn, until one lives to the end.

python -m tests.training.curation.killed PHOTOS OUT: prints how many died.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.training.curation.fakes import fake
from training.curation.align import AlignOptions, align_photos
from training.curation.photos import Photos
from training.curation.steps import silent

OPTIONS = AlignOptions(per_shard=3, fewest=2)
DEAD = 9


def dying_at(last: int) -> None:
    """From now on, instead of the `last`-th change, this process is gone without a word."""
    left = last

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def instead(*arguments: Any, **options: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                os._exit(DEAD)
            return call(*arguments, **options)

        return instead

    for place, name in ((os, "fsync"), (Path, "replace"), (Path, "unlink"), (Path, "mkdir")):
        setattr(place, name, counted(getattr(place, name)))


def main(photos: Path, out: Path, step: int) -> int:
    deaths = 0
    while True:
        child = os.fork()
        if child == 0:
            # Finishing one shard takes about thirty changes: some lives are too short for one, some reach two.
            dying_at(1 + deaths * step % 61)
            align_photos(Photos(photos), out, fake(), OPTIONS, workers=2, steps=silent)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        if code == 0:
            return deaths
        if code != DEAD or deaths > 200:
            sys.exit(f"the process ended with {code} after {deaths} deaths")
        deaths += 1


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
