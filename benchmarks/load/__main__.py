"""The service under many clients, as tables in Markdown; what they say is told in docs/load.md.

    python -m benchmarks.load [--clients 1 8 32 128] [--seconds 15] [--persons 100000] [--people 40]
    python -m benchmarks.load --overload | --soak MINUTES | --accelerator | --profile

A real service process on loopback with a collection of made persons, among whom 40 people of the AT&T faces are
enrolled; clients in a process of their own send it other photos of those. They share the machine's cores.
Exit status 1 where a figure misses what is wanted of it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.load import accelerator, overload, profile, soak, throughput
from benchmarks.load.homes import fill
from benchmarks.load.report import MISSED, machine


def lines(options: argparse.Namespace, folder: Path) -> Iterator[str]:
    """What the chosen mode finds."""
    if options.accelerator:
        yield from accelerator.compare(options.seconds)
        return
    home = folder / "on"
    home.mkdir()
    fill(home, options.persons, options.people)
    yield f"{options.persons + options.people:,} people enrolled."
    if options.overload:
        yield from overload.overload(home, options.people, options.seconds)
    elif options.soak is not None:
        yield from soak.soak(home, options.people, options.soak * 60, options.every)
    elif options.profile:
        yield from profile.profile(home, options.people, options.seconds)
    else:
        yield from throughput.compare(home, options.people, options.clients, options.seconds)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.load", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    modes = parser.add_mutually_exclusive_group()
    modes.add_argument(
        "--overload", action="store_true", help="ten times as many arrivals as can be answered"
    )
    modes.add_argument(
        "--soak", type=float, metavar="MINUTES", help="the memory of a service that is busy long"
    )
    modes.add_argument("--accelerator", action="store_true", help="a model whose cost is a run, not a photo")
    modes.add_argument("--profile", action="store_true", help="where the time of a request goes")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32, 128])
    parser.add_argument("--seconds", type=float, default=15.0, help="of each measurement")
    parser.add_argument("--every", type=float, default=10.0, help="seconds between two readings of memory")
    parser.add_argument("--persons", type=int, default=100_000, help="made persons in the collection")
    parser.add_argument("--people", type=int, default=40, help="of the AT&T faces, from 1 to 40")
    options = parser.parse_args()
    print(machine(), flush=True)
    reached = True
    with tempfile.TemporaryDirectory(prefix="cocircle-load-") as folder:
        for line in lines(options, Path(folder)):
            print(line, flush=True)
            reached = reached and not line.endswith(MISSED)
    sys.exit(0 if reached else 1)


if __name__ == "__main__":
    main()
