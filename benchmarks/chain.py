"""The whole chain on real faces by its own commands, one after another: align, inspect, train, export, serve, identify.

`python -m benchmarks.chain [--data ../shared/data] [--out DIR] [--epochs E] [--people 500] [--max-fmr 0.1] [--seed 0]
[--set TABLE.KEY=VALUE ...]` trains `training/configs/chain.toml` on CelebA crops and measures it on photos of LFW, in
about nine minutes on two cores. Each command is printed as it could be typed and then run; one that fails ends the
chain with status 1. Without --out everything lies in a temporary folder that is removed at the end.

Nothing is trained on LFW. Its people are parted by the seed: some are aligned, and the exported graph is compared with
the network on their crops; others are enrolled by one photo and looked for by another; a third part are strangers, with
one photo each. Thresholds come from the calibration, which counts all of LFW and so these people as well.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, median
from time import perf_counter

import httpx
import numpy as np

from evaluation.datasets.images import DatasetError
from evaluation.datasets.lfw import Lfw, open_lfw, person_of
from evaluation.datasets.lfw_label_errors import doubted
from evaluation.identification.best_candidate import Identification, Outcome, identification
from faces.pack import load_pack
from serving.client import ApiFailure, Client
from training.data.source import open_records
from training.journal import read_lines

ALIGNED = 100
"""People whose photos are aligned: some 300 photos."""

COLLECTION = "lfw"
DATA = "CelebA faces, for research; people close to anyone in LFW left out"
LICENCE = "research only"


class ChainError(Exception):
    """Why the chain ends before its end, in words for whoever started it."""


@dataclass(frozen=True)
class Step:
    """One link of the chain and how long it took, in seconds."""

    name: str
    seconds: float


def chain(asked: argparse.Namespace, out: Path) -> tuple[list[Step], dict[str, float | str]]:
    """Everything, in an empty folder: its steps in order, and the figures by name."""
    lfw, photos = asked.data / "lfw", out / "photos"
    aligned, run, pack = out / "aligned", out / "run", out / "pack"
    lay_out(open_lfw(lfw), photos, asked.people, asked.seed)
    changes = [f"data.records={asked.data / 'celeba-faces'}", f"seed={asked.seed}"]
    changes += [f"optimisation.epochs={asked.epochs}"] if asked.epochs is not None else []
    settings = [word for change in changes + asked.set for word in ("--set", change)]
    about = ["--calibrate", lfw, "--crops", aligned, "--data", DATA, "--licence", LICENCE]
    steps = [
        cocircle("align", "data", "align", photos / "aligned", aligned),
        cocircle("inspect", "data", "inspect", aligned, "--changes", out / "changes.csv"),
        cocircle("train", "train", "chain", *settings, "--out", run),
        cocircle("export", "export", run, "--pack", pack, *about),
    ]
    begun = perf_counter()
    with running_service(pack) as address, Client(address) as service:
        steps.append(told("serve", begun))
        # Everybody, as they are: a face that is refused for its pose would count as one that was missed.
        everybody = ["--faces", "largest", "--quality", "none", "--url", address]
        steps.append(cocircle("enrol", "enroll", photos / "gallery", "--collection", COLLECTION, *everybody))
        begun = perf_counter()
        found = identified(service, photos, asked.max_fmr)
        steps.append(told("identify", begun))
    return steps, {**figures_of(aligned, run, pack), "max_fmr": asked.max_fmr, **asdict(found)}


def cocircle(name: str, *words: object) -> Step:
    """Prints a command and runs it, its output where ours goes; ChainError unless it succeeds."""
    line = _shown(*words)
    begun = perf_counter()
    # By this interpreter: the command of that name on PATH may be another installation's.
    status = subprocess.run([sys.executable, "-m", "serving", *map(str, words)], check=False).returncode
    if status:
        raise ChainError(f"{line}\nended with status {status}; its own words stand above")
    return told(name, begun)


@contextmanager
def running_service(pack: Path) -> Iterator[str]:
    """The address of a service on a free loopback port; ended by its process id, whatever happens."""
    words = ["serve", "--pack", str(pack), "--port", "0"]
    line = _shown(*words)
    command = [sys.executable, "-m", "serving", *words]
    environment = {**os.environ, "COCIRCLE_LOG_LEVEL": "warning"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            if not said.startswith("Cocircle answers at "):
                raise ChainError(f"{line}\ndid not start; its own words stand above")
            print(said, end="", flush=True)
            yield said.split()[3]
        finally:
            process.terminate()
    if process.returncode:
        raise ChainError(f"{line}\nended with status {process.returncode}")


def lay_out(lfw: Lfw, folder: Path, people: int, seed: int) -> None:
    """Photos as FOLDER/{aligned,gallery,probes,strangers}/PERSON/PHOTO.jpg; nobody is in two parts but probes.

    ChainError where LFW has too few people with two photos, or with one.
    """
    left_out = doubted()
    photos: dict[str, list[str]] = defaultdict(list)
    for name in lfw.images.names:
        if person_of(name) not in left_out:
            photos[person_of(name)].append(name)
    draw = np.random.default_rng(seed)
    several = draw.permutation([person for person, names in photos.items() if len(names) > 1]).tolist()
    single = draw.permutation([person for person, names in photos.items() if len(names) == 1]).tolist()
    if len(several) < people + ALIGNED or len(single) < people:
        raise ChainError(
            f"LFW has {len(several)} people with several photos and {len(single)} with one; --people {people} "
            f"takes {people + ALIGNED} and {people}"
        )
    enrolled, others = several[:people], several[people : people + ALIGNED]
    part_of = {photos[person][0]: "gallery" for person in enrolled}
    part_of |= {photos[person][1]: "probes" for person in enrolled}
    part_of |= {photos[person][0]: "strangers" for person in single[:people]}
    part_of |= {name: "aligned" for person in others for name in photos[person]}
    for name, data in lfw.images.read():
        if name in part_of:
            path = folder / part_of[name] / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def identified(service: Client, photos: Path, max_fmr: float) -> Identification:
    """All probes and strangers against the collection, judged at the service's own threshold for max_fmr."""
    probes, strangers = (sorted((photos / part).glob("*/*")) for part in ("probes", "strangers"))
    threshold = service.identify(COLLECTION, probes[0], max_fmr=max_fmr).threshold
    with ThreadPoolExecutor(2) as pool:
        mated = list(pool.map(lambda path: outcome(service, path, path.parent.name), probes))
        non_mated = list(pool.map(lambda path: outcome(service, path, None), strangers))
    return identification(mated + non_mated, threshold)


def outcome(service: Client, photo: Path, truth: str | None) -> Outcome:
    """The best candidate at any cosine; none where no face was found."""
    try:
        answer = service.identify(COLLECTION, photo, limit=1, threshold=-1.0)
    except ApiFailure as failure:
        if failure.code != "no_face":
            raise
        return Outcome(truth, None)
    best = answer.faces[0].candidates[0]
    return Outcome(truth, best.person_id, best.cosine)


def figures_of(aligned: Path, run: Path, pack: Path) -> dict[str, float | str]:
    """What the commands left behind, in numbers; the accuracy in the manifest's words."""
    lines = [line for line in read_lines(run) if "loss" in line]
    manifest = load_pack(str(pack)).manifest
    if manifest.calibration is None or manifest.training is None or manifest.training.accuracy is None:
        raise ChainError(f"{pack} was exported with --calibrate and has no calibration or accuracy")
    return {
        "aligned faces": len(open_records(aligned)),
        "steps": len(lines),
        "images a second in training": round(median(line["images_per_second"] for line in lines), 1),
        "loss, mean of the last 100 steps": round(mean(line["loss"] for line in lines[-100:]), 3),
        "accuracy": manifest.training.accuracy,
        "pairs of the calibration": manifest.calibration.pairs,
    }


def told(name: str, begun: float) -> Step:
    step = Step(name, round(perf_counter() - begun, 1))
    print(f"[{name}: {step.seconds} s]", flush=True)
    return step


def report(steps: list[Step], figures: dict[str, float | str]) -> str:
    rows = [f"| {step.name} | {step.seconds:.1f} |" for step in steps]
    lines = [
        f"{name}: {value:.4g}" if isinstance(value, float) else f"{name}: {value}"
        for name, value in figures.items()
    ]
    total = sum(step.seconds for step in steps)
    return "\n".join(["| step | s |", "|---|---:|", *rows, f"| all | {total:.1f} |", "", *lines])


def _shown(*words: object) -> str:
    line = f"cocircle {shlex.join(map(str, words))}"
    print(f"\n$ {line}", flush=True)
    return line


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="with celeba-faces and lfw")
    parser.add_argument("--out", type=Path, help="an empty folder or a new one, which stays")
    parser.add_argument("--epochs", type=float, help="of training, in place of the configuration's")
    parser.add_argument("--people", type=int, default=500, help="enrolled, and as many strangers")
    parser.add_argument(
        "--max-fmr", type=float, default=0.1, help="share of strangers that may find somebody"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="TABLE.KEY=VALUE", help="of training")
    asked = parser.parse_args()
    # By way of an exception, so that what runs here ends too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("the chain was told to end"))
    with tempfile.TemporaryDirectory(prefix="cocircle-chain-") as temporary:
        out = asked.out or Path(temporary)
        if out.exists() and any(out.iterdir()):
            parser.error(f"{out} is not empty; a chain begins with an empty folder")
        # Neither galleries nor kept embeddings of other days.
        os.environ.update(COCIRCLE_HOME=str(out / "home"), COCIRCLE_CACHE=str(out / "cache"))
        print(f"$ export COCIRCLE_HOME={out / 'home'} COCIRCLE_CACHE={out / 'cache'}")
        try:
            steps, figures = chain(asked, out)
        except (ChainError, DatasetError, ApiFailure, httpx.TransportError) as error:
            sys.exit(f"the chain is broken: {error}")
        print("\n" + report(steps, figures))
        kept = {"steps": {step.name: step.seconds for step in steps}, "figures": figures}
        (out / "figures.json").write_text(json.dumps(kept, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
