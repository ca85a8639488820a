"""How many near copies the search of training/curation/search.py finds among very many embeddings, and how fast.

    python -m benchmarks.copies [--rows 1000000] [--planted 1000] [--dimension 128] [--every] [--json]

Random unit rows, among them `--planted` pairs at each of the cosines .95, .90 and .86; the search asks for .85 and
more, as the report does, by its inverted file whatever the number of rows. Printed are the share of the pairs of each
cosine that it finds, pairs that nobody planted, seconds by the clock and of processor time, and the resident set at
its largest, the rows in it. --every looks at every pair as well, as the search does up to 250,000 rows, and gives the
ratio of the two.
"""

from __future__ import annotations

import argparse
import json
import resource
from time import perf_counter, process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.curation.copies import COSINE
from training.curation.search import EXACT, pairs_above

COSINES = (0.95, 0.90, 0.86)
_BLOCK = 65_536


def planted(
    rows: int, pairs: int, dimension: int, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """(N, D) float32 unit rows, and (cosines, pairs, 2) places in it, ascending, of what was planted."""
    random = np.random.default_rng(seed)
    made = np.empty((rows, dimension), np.float32)
    for start in range(0, rows, _BLOCK):
        part = made[start : start + _BLOCK]
        part[:] = random.standard_normal(part.shape, np.float32)
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    places = random.choice(rows, (len(COSINES), pairs, 2), replace=False)
    places.sort(axis=2)
    for (left, right), cosine in zip(places.transpose(0, 2, 1), COSINES, strict=True):
        across = made[right] - (made[right] * made[left]).sum(axis=1, keepdims=True) * made[left]
        across /= np.linalg.norm(across, axis=1, keepdims=True)
        made[right] = cosine * made[left] + np.sqrt(1 - cosine**2) * across
    return made, places


def searched(rows: NDArray[np.float32], places: NDArray[np.int64], exact: int) -> dict[str, Any]:
    """One search. exact: rows up to which it looks at every pair."""
    clock, core = perf_counter(), process_time()
    parts = [left * len(rows) + right for left, right, _ in pairs_above(rows, COSINE, exact=exact)]
    clock, core = perf_counter() - clock, process_time() - core
    found = np.concatenate([np.empty(0, np.int64), *parts])
    wanted = places[..., 0] * len(rows) + places[..., 1]  # (cosines, pairs)
    recall = np.isin(wanted, found).mean(axis=1)
    return {
        "search": "every pair" if exact else "inverted file",
        **{
            f"found_at_{cosine:.2f}": round(float(share), 3)
            for cosine, share in zip(COSINES, recall, strict=True)
        },
        "not_planted": int((~np.isin(found, wanted)).sum()),
        "seconds": round(clock, 1),
        "seconds_of_processors": round(core, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--planted", type=int, default=1000)
    parser.add_argument("--dimension", type=int, default=128)
    parser.add_argument("--every", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.rows < 2 * len(COSINES) * options.planted:
        parser.error(
            f"{len(COSINES)} x {options.planted} pairs need twice as many rows; --rows is {options.rows}"
        )
    rows, places = planted(options.rows, options.planted, options.dimension)
    table = [searched(rows, places, 0)]
    table[0]["process_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    if options.every:
        table.append(searched(rows, places, options.rows))
        table[0]["of_every_pair"] = round(table[0]["seconds"] / table[1]["seconds"], 2)
    if options.json:
        print(json.dumps(table, indent=1))
        return
    print(f"{options.rows:,} rows of {options.dimension}; the report would look at ", end="")
    print("every pair" if options.rows <= EXACT else "what an inverted file finds")
    for line in table:
        print("  ".join(f"{name} {value}" for name, value in line.items()))


if __name__ == "__main__":
    main()
