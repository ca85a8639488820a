"""What a write, a scan and a rebuild cost on either store: durable templates a second, of one process.

`python -m benchmarks.stores [--rows 50000] [--singles 300] [--dimension 512] [--postgres URL] [--json]` fills a
collection in SQLite and in PostgreSQL and prints a table. Without a URL it starts a server of its own on this
machine, with the settings PostgreSQL comes with, and ends it.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.facelike import FaceLike
from index.engine.faiss_cpu import FaissCpuEngine
from index.engine.held import Tuning
from index.records import NewCollection, NewFace
from index.store import bulk, collections, faces, searched
from index.store.base import TemplateStore
from index.store.postgres import PostgresStore
from index.store.sqlite import SqliteStore
from tests.postgres_server import PostgresServer

CONTRACT = "benchmark"
A_TRANSACTION = 1000
WITHOUT_CODES = Tuning(fast_from=1 << 40)  # training them is no work of a store
ROWS_OF_FEW = (1, 5, 20, 100)

Item = tuple[str, NewFace]


@contextmanager
def clock(figures: dict[str, float], name: str, count: int) -> Iterator[None]:
    """Puts rows a second of wall time into `figures`."""
    began = time.perf_counter()
    yield
    figures[name] = count / (time.perf_counter() - began)


def measure(
    store: TemplateStore, folder: Path, vectors: NDArray[np.float32], singles: int
) -> dict[str, float]:
    """Rows a second of each kind of work; `vectors` (n, D) are enrolled, one a person."""
    figures: dict[str, float] = {}
    items = [(f"person-{number}", NewFace(vector)) for number, vector in enumerate(vectors)]
    with store.write() as connection:
        collections.create(connection, NewCollection("faces", CONTRACT, vectors.shape[1]))
    with clock(figures, "1 a transaction", singles):
        for item in items[:singles]:
            write(store, [item])
    rest = items[singles:]
    with clock(figures, f"{A_TRANSACTION} a transaction", len(rest)):
        for start in range(0, len(rest), A_TRANSACTION):
            write(store, rest[start : start + A_TRANSACTION])
    with store.read() as connection:
        space = searched.space(collections.row(connection, "faces"))
        with clock(figures, "scan", len(items)):
            assert sum(len(block.keys) for block in searched.scan(connection, space)) == len(items)
        with clock(figures, "rebuild of the engine", len(items)):
            FaissCpuEngine(folder, WITHOUT_CODES).rebuild(space, searched.scan(connection, space), 1)
    with clock(figures, "asking for the revision", singles):
        for _ in range(singles):
            store.revision()
    return figures


def write(store: TemplateStore, items: list[Item]) -> None:
    with store.write() as connection:
        faces.add_many(connection, "faces", items, CONTRACT)


def copy_against_statements(store: TemplateStore, vectors: NDArray[np.float32]) -> dict[str, float]:
    """Milliseconds of a transaction of few rows, by COPY and by statements: where `bulk.COPIED_FROM` comes from."""
    figures: dict[str, float] = {}
    usual = bulk.COPIED_FROM
    for rows in ROWS_OF_FEW:
        for name, copied_from in (("COPY", 1), ("statements", 1 << 30)):
            bulk.COPIED_FROM = copied_from
            began = time.perf_counter()
            for turn in range(40):
                write(store, [(f"{name}-{rows}-{turn}-{n}", NewFace(vectors[n])) for n in range(rows)])
            figures[f"{rows} rows by {name}, ms"] = (time.perf_counter() - began) * 1000 / 40
    bulk.COPIED_FROM = usual
    return figures


def both(options: argparse.Namespace, address: str) -> dict[str, dict[str, float]]:
    made = FaceLike(options.dimension)
    vectors = np.concatenate(list(made.blocks(options.rows)))
    found = {}
    opens: dict[str, Callable[[Path], TemplateStore]] = {
        "SQLite": SqliteStore,
        "PostgreSQL": lambda _: PostgresStore(address),
    }
    for name, open_store in opens.items():
        with tempfile.TemporaryDirectory() as folder:
            store = open_store(Path(folder))
            found[name] = measure(store, Path(folder), vectors, options.singles)
            if name == "PostgreSQL":
                found["PostgreSQL, few rows"] = copy_against_statements(store, vectors)
            store.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--singles", type=int, default=300)
    parser.add_argument("--dimension", type=int, default=512)
    parser.add_argument("--postgres", help="address of an empty database")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.postgres:
        found = both(options, options.postgres)
    else:
        server = PostgresServer(fsync=True)
        try:
            found = both(options, server.new_database())
        finally:
            server.remove()
    if options.json:
        print(json.dumps(found))
        return
    few = found.pop("PostgreSQL, few rows")
    print(f"{'rows a second':28}" + "".join(f"{name:>14}" for name in found))
    for work in found["SQLite"]:
        print(f"{work:28}" + "".join(f"{figures[work]:14,.0f}" for figures in found.values()))
    for name, value in few.items():
        print(f"{name:28}{value:14.1f}")


if __name__ == "__main__":
    main()
