"""Which short codes to scan: PQ4 by dimensions a code, and RaBitQ, all re-ranked by exact cosines.

`python -m benchmarks.codes --embeddings FILE.npz` reads `emb` (n, D) and `label` (n,).
`python -m benchmarks.codes --pack NAME --crops FOLDER` first embeds aligned crops from tars of
`person/file.jpg`.
`python -m benchmarks.codes --made 100000 --dimension 128` makes templates of so many people.
"""

from __future__ import annotations

import argparse
import io
import json
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from benchmarks.facelike import FaceLike

Float32 = NDArray[np.float32]
CANDIDATES = (10, 50, 200, 400, 1600)


def split(labels: NDArray[np.str_], probes: int, seed: int = 1) -> tuple[NDArray[np.intp], ...]:
    """Positions of: gallery rows, probes with a mate among them, probes of people who are not among them."""
    rng = np.random.default_rng(seed)
    names, person, counts = np.unique(labels, return_inverse=True, return_counts=True)
    strangers = np.zeros(len(names), bool)
    order = rng.permutation(len(names))
    strangers[order[np.cumsum(counts[order]) <= probes]] = True
    order = rng.permutation(len(labels))
    mates: list[int] = []
    left = counts.copy()
    for at in order:
        who = person[at]
        if not strangers[who] and left[who] >= 2 and len(mates) < probes:
            mates.append(int(at))
            left[who] -= 1
    taken = np.zeros(len(labels), bool)
    taken[mates] = True
    return np.flatnonzero(~strangers[person] & ~taken), np.array(mates), np.flatnonzero(strangers[person])


def first_stages(rows: Float32) -> Iterator[tuple[str, float, Callable[[Float32, int], NDArray[np.int64]]]]:
    """Name, seconds of building and search(probes, k) -> positions of each kind of code."""
    dimension = rows.shape[1]
    for name, make in (
        ("PQ4 of 4", lambda: faiss.IndexPQFastScan(dimension, dimension // 4, 4, faiss.METRIC_INNER_PRODUCT)),
        ("PQ4 of 2", lambda: faiss.IndexPQFastScan(dimension, dimension // 2, 4, faiss.METRIC_INNER_PRODUCT)),
        ("RaBitQ", lambda: faiss.IndexRaBitQFastScan(dimension, faiss.METRIC_INNER_PRODUCT)),
    ):
        began = time.process_time()
        index = make()
        index.train(rows[np.random.default_rng(0).permutation(len(rows))[:20_000]])
        index.add(rows)
        yield name, time.process_time() - began, lambda probes, k, index=index: index.search(probes, k)[1]


def reranked(
    rows: Float32, probes: Float32, positions: NDArray[np.int64]
) -> tuple[NDArray[np.int64], Float32]:
    """Best row and its exact cosine for each probe, among the positions (n, k) chosen for it."""
    scores = np.einsum("nkd,nd->nk", rows[positions], probes)
    best = scores.argmax(axis=1)[:, None]
    return np.take_along_axis(positions, best, 1)[:, 0], np.take_along_axis(scores, best, 1)[:, 0]


def fnir(found: NDArray[np.bool_], mates: Float32, strangers: Float32, fpir: float = 0.01) -> float:
    """Share of mated probes not answered with their person, at the threshold 1 % of strangers pass."""
    threshold = np.quantile(strangers, 1 - fpir)
    return float(1 - np.mean(found & (mates > threshold)))


def compare(embeddings: Float32, labels: NDArray[np.str_], probes: int) -> list[dict[str, object]]:
    faiss.omp_set_num_threads(1)
    faiss.cvar.distance_compute_blas_threshold = 1
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    gallery, mated, strange = split(labels, probes)
    rows, mates, strangers = (np.ascontiguousarray(unit[part]) for part in (gallery, mated, strange))

    def row(
        name: str,
        k: object,
        seconds: float,
        build: float,
        top: NDArray[np.int64],
        own: Float32,
        other: Float32,
    ) -> dict[str, object]:
        found = labels[gallery[top]] == labels[mated]
        return {
            "first_stage": name,
            "candidates": k,
            "same_top1": float(np.mean(top == exact_top)),
            "same_top1_strangers": float(np.mean(other > exact_other - 1e-5)),
            "rank1": float(np.mean(found)),
            "fnir_at_fpir_1pct": fnir(found, own, other),
            "cpu_ms": seconds / len(mates) * 1e3,
            "build_cpu_s": build,
        }

    began = time.process_time()
    exact_score, exact_top = (
        part[:, 0] for part in faiss.knn(mates, rows, 1, metric=faiss.METRIC_INNER_PRODUCT)
    )
    seconds = time.process_time() - began
    exact_other = faiss.knn(strangers, rows, 1, metric=faiss.METRIC_INNER_PRODUCT)[0][:, 0]
    table = [row("exact", len(rows), seconds, 0.0, exact_top, exact_score, exact_other)]
    for name, build, search in first_stages(rows):
        for k in CANDIDATES:
            began = time.process_time()
            parts = [reranked(rows, probe[None], search(probe[None], k)) for probe in mates]
            seconds = time.process_time() - began
            top, own = (np.concatenate(part) for part in zip(*parts, strict=True))
            other = np.concatenate([reranked(rows, p[None], search(p[None], k))[1] for p in strangers])
            table.append(row(name, k, seconds, build, top, own, other))
    return table


def made_photos(people: int, dimension: int, probes: int) -> tuple[Float32, NDArray[np.str_]]:
    """Face-like templates of so many people, two of those who may probe; and whose they are."""
    made = FaceLike(dimension)
    directions = made.people(0, people)
    again = min(people, 2 * probes)
    photos = np.concatenate([made.photos(directions, 0), made.photos(directions[:again], 1)])
    return photos, np.concatenate([np.arange(people), np.arange(again)]).astype(str)


def embed(pack: str, folder: Path, most: int) -> tuple[Float32, NDArray[np.str_]]:
    """Embeddings of aligned crops through a model pack."""
    import cv2

    from faces.analyzer import Analyzer
    from faces.pack import load_pack

    analyzer = Analyzer(load_pack(pack), threads=1)
    vectors: list[Float32] = []
    labels: list[str] = []
    crops: list[NDArray[np.uint8]] = []
    for file in sorted(folder.glob("*.tar")):
        with tarfile.open(file) as tar:
            for member in tar:
                if not member.name.endswith(".jpg") or len(labels) >= most:
                    continue
                data = tar.extractfile(member)
                assert data is not None
                crops.append(cv2.imdecode(np.frombuffer(data.read(), np.uint8), cv2.IMREAD_COLOR))
                labels.append(member.name.split("/")[-2])
                if len(crops) == 64:
                    vectors.append(analyzer.embed_crops(np.stack(crops)))
                    crops = []
    if crops:
        vectors.append(analyzer.embed_crops(np.stack(crops)))
    return np.concatenate(vectors), np.array(labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--embeddings", type=Path)
    parser.add_argument("--pack", default="default", help="name or folder of a model pack")
    parser.add_argument("--crops", type=Path)
    parser.add_argument("--made", type=int, help="people to make templates of")
    parser.add_argument("--dimension", type=int, default=128, help="of made templates")
    parser.add_argument("--save", type=Path, help="keep the embeddings here")
    parser.add_argument("--most", type=int, default=1_000_000, help="crops to embed at most")
    parser.add_argument("--probes", type=int, default=2000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.embeddings:
        stored = np.load(io.BytesIO(options.embeddings.read_bytes()))
        embeddings, labels = stored["emb"].astype(np.float32), stored["label"].astype(str)
    elif options.crops:
        embeddings, labels = embed(options.pack, options.crops, options.most)
        if options.save:
            np.savez(options.save, emb=embeddings, label=labels)
    elif options.made:
        embeddings, labels = made_photos(options.made, options.dimension, options.probes)
    else:
        parser.error("give --embeddings, --crops or --made")
    table = compare(embeddings, labels, options.probes)
    if options.json:
        print(json.dumps(table))
        return
    print(f"{len(labels)} faces, {embeddings.shape[1]}-d; one probe at a time, one thread")
    for line in table:
        print("  ".join(f"{k} {v:.4f}" if isinstance(v, float) else f"{k} {v}" for k, v in line.items()))


if __name__ == "__main__":
    main()
