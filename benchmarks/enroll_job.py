"""What an enrolment by job costs beside the analysis of its photos, and what is left of it when it is killed.

    python -m benchmarks.enroll_job [--photos 2000] [--lfw FOLDER] [--rounds 4] [--kill 20] [--json]

The same photos go through the pipeline alone, from memory, and through a job that reads, analyses and writes them;
the two take turns, so that what else the machine does meanwhile meets both. Bar: the job makes 90 % of the pipeline's
images a second. Photos: LFW's where FOLDER holds lfw-pairs-250.tar, else the AT&T faces, over and over, each time
of other people. --kill: a real `cocircle enroll` is killed with -9 so often, and must leave what an undisturbed one
does.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from sqlalchemy import select

from evaluation.datasets.att import att_faces
from faces.analyzer import EmbedWhat
from index.gallery import Gallery, GallerySettings
from index.job_records import ACTIVE, JobState, NewJob
from index.records import NewCollection
from index.store.schema import faces, persons
from serving.jobs.enrolling.options import EnrollOptions
from serving.jobs.kinds.enroll import ENROLL
from serving.jobs.worker import Worker
from serving.logs import start_logging
from serving.service import Service
from serving.settings import Settings

BAR = 0.9
LFW = "lfw-pairs-250.tar"
BESIDE = Path(os.environ.get("COCIRCLE_DATA") or Path(__file__).parents[2] / "shared")
TOLERANCE = 2e-3
"""Of a component: runs of the models of other sizes round otherwise, and rows are stored as float16."""


def unpacked(lfw: Path, target: Path) -> list[Path]:
    """Photos as files in `target`, in a fixed order that does not keep a person's together."""
    if (lfw / LFW).is_file():
        with tarfile.open(lfw / LFW, "r:") as archive:
            archive.extractall(target, filter="data")
        found = sorted(target.rglob("*.jpg"))
    else:
        found = []
        for photo in att_faces():
            path = target / f"s{photo.person}-{photo.number}.pgm"
            path.write_bytes(photo.path.read_bytes())
            found.append(path)
    random.Random(1).shuffle(found)
    return found


def lists(photos: list[Path], folder: Path, count: int, rounds: int) -> list[Path]:
    """`rounds` manifests of `count` rows together; no two rows name one file and one person."""
    made = []
    rows = enumerate(islice(cycle(photos), count))
    for number in range(rounds):
        path = folder / f"list-{number}.csv"
        with path.open("w", newline="") as file:
            writing = csv.writer(file)
            writing.writerow(["person", "file"])
            for at, photo in islice(rows, count // rounds):
                writing.writerow([f"{photo.stem}-{at // len(photos)}", photo.name])
        made.append(path)
    return made


def raw_seconds(service: Service, files: list[bytes]) -> float:
    """Through the pipeline alone."""
    begun = time.perf_counter()
    answers = [service.pipeline.submit(data, EmbedWhat.LARGEST, background=True, wait=True) for data in files]
    for answer in answers:
        answer.exception()
    return time.perf_counter() - begun


def job_seconds(service: Service, manifest: Path, threads: int) -> float:
    """From the making of a job to its end."""
    source = {"kind": "manifest", "path": str(manifest)}
    options = EnrollOptions.model_validate({"source": source, "quality": "none", "faces": "largest"})
    jobs = service.gallery.jobs
    worker = Worker(service, {ENROLL.name: ENROLL}, threads)
    begun = time.perf_counter()
    job = jobs.create(NewJob(ENROLL.name, "people", options=options.model_dump(mode="json")))
    worker.start()
    while jobs.get(job.id).state in ACTIVE:
        jobs.wait(0.5)
    seconds = time.perf_counter() - begun
    worker.stop()
    ended = jobs.get(job.id)
    assert ended.state is JobState.DONE, ended.message
    assert ended.failed == 0, ended.result
    return seconds


def compare(folder: Path, photos: list[Path], count: int, rounds: int, threads: int) -> dict[str, float]:
    begun = time.perf_counter()
    service = Service.open(Settings(home=folder / "home"))
    service.gallery.create_collection(
        NewCollection("people", service.pack.contract_id, service.pack.dimension)
    )
    made = lists(photos, photos[0].parent, count, rounds)
    raw = by_job = 0.0
    done = 0
    for number, manifest in enumerate(made):
        with manifest.open(newline="") as file:
            files = [(photos[0].parent / row["file"]).read_bytes() for row in csv.DictReader(file)]
        steps = [lambda: raw_seconds(service, files), lambda: job_seconds(service, manifest, threads)]  # noqa: B023
        if number % 2:
            by_job += steps[1]()
            raw += steps[0]()
        else:
            raw += steps[0]()
            by_job += steps[1]()
        done += len(files)
    service.close()
    return {
        "photos": done,
        "pipeline_photos_per_second": done / raw,
        "job_photos_per_second": done / by_job,
        "ratio": raw / by_job,
        "seconds": time.perf_counter() - begun,
    }


def state(home: Path) -> dict[tuple[str, str], tuple[float, np.ndarray]]:
    """Quality and stored row of every face, by person and photo."""
    found: dict[tuple[str, str], tuple[float, np.ndarray]] = {}
    query = select(persons.c.id, faces.c.source, faces.c.quality, faces.c.vector).select_from(
        persons.join(faces)
    )
    with Gallery.open(GallerySettings(path=home / "gallery", background=False)) as gallery:
        with gallery._store.read() as connection:
            for row in connection.execute(query):
                assert (row.id, row.source) not in found, "a photo was enrolled twice"
                found[row.id, row.source] = (row.quality, np.frombuffer(row.vector, np.float16).astype(float))
        assert gallery.collection("people").faces == len(found)
    return found


def enrolling(home: Path, manifest: Path) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "serving", "enroll", str(manifest), "-c", "people", "--home", str(home)]
    return subprocess.Popen(
        [*words, "--quality", "none", "--faces", "largest", "--json"], stdout=subprocess.DEVNULL
    )


def settled(home: Path) -> int:
    if not (home / "gallery").is_dir():
        return 0
    with Gallery.open(GallerySettings(path=home / "gallery", background=False)) as gallery:
        return sum(job.settled for job in gallery.jobs.page())


def killed(folder: Path, photos: list[Path], count: int, kills: int) -> dict[str, float]:
    (manifest,) = lists(photos, photos[0].parent, count, 1)
    undisturbed, disturbed = folder / "undisturbed", folder / "killed"
    assert enrolling(undisturbed, manifest).wait() == 0
    chance = random.Random(2)
    done = before = 0
    while done < kills:
        process = enrolling(disturbed, manifest)
        while settled(disturbed) == before and process.poll() is None:
            time.sleep(0.05)
        time.sleep(chance.uniform(0, 1))
        if process.poll() is not None:
            break
        process.send_signal(signal.SIGKILL)
        process.wait()
        before = settled(disturbed)
        done += 1
    assert enrolling(disturbed, manifest).wait() == 0
    expected, found = state(undisturbed), state(disturbed)
    assert expected.keys() == found.keys(), "faces are missing, or there are others"
    worst = 0.0
    for key, (quality, row) in expected.items():
        assert abs(quality - found[key][0]) < TOLERANCE
        worst = max(worst, float(np.abs(row - found[key][1]).max()))
    assert worst < TOLERANCE, f"a row differs by {worst}"
    return {"kills": done, "faces": len(found), "largest_difference": worst}


def _said(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--photos", type=int, default=2000, help="enrolled by jobs; as many go through the pipeline"
    )
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2, help="of the worker")
    parser.add_argument("--lfw", type=Path, default=BESIDE / "data" / "lfw")
    parser.add_argument("--kill", type=int, default=0, metavar="N", help="kill an enrolment N times instead")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    start_logging("error")
    with tempfile.TemporaryDirectory() as made:
        target = Path(made, "photos")
        target.mkdir()
        photos = unpacked(options.lfw, target)
        flat = [photo.rename(target / photo.name) for photo in photos]
        if options.kill:
            figures = killed(Path(made), flat, options.photos, options.kill)
        else:
            figures = compare(Path(made), flat, options.photos, options.rounds, options.threads)
    if options.json:
        print(json.dumps(figures))
        return
    print("  ".join(f"{name} {_said(value)}" for name, value in figures.items()))
    if "ratio" in figures:
        print(f"bar {BAR}: {'met' if figures['ratio'] >= BAR else 'MISSED'}")


if __name__ == "__main__":
    main()
