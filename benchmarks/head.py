"""The head beside its rivals: seconds a step and memory of dense, sampled and fused, by number of classes.

`python -m benchmarks.head [--classes 10000 100000 1000000] [--device cuda] [--picture SVG] [--json]`. D = 512, B = 256
on a CPU, each run a process of its own, taken in turn so that a slow minute hits all of them alike. Memory is measured:
the process's resident set at its highest, less what it was with torch loaded and no head; on a GPU what its allocator
held at most. State: rows and momentum. Bars: fused at most 300 MiB above the state at every size, no slower than
dense from 100,000 on, at 1M the whole process within 1.3 times its state. On a GPU with B = 1024: 55 % of the time that
8 B C D flops take at the rate of its largest matrix product, memory at most 1.15 times the state.

`python -m benchmarks.head --ranks 2 4` counts, on real processes, the bytes of a step: what the head says it
sends, and what the loopback device carried (read where nothing else speaks: run it in `unshare -n` for exact figures).
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter

import torch
import torch.distributed as dist

from benchmarks.head_picture import picture_of
from training.head.pass_two_sgd import PassTwoSGD
from training.head.sharded import ShardedClassifier
from training.losses.logit_maps import logit_map
from training.ranks import Ranks

DIMENSION = 512
MIB = 2.0**20
FORMS = {
    "dense": {"backend": "dense"},
    "sampled 10 %": {"sample": 0.1},
    "fused": {},
    "fused fp16": {"operands": "fp16"},
    "triton fp16": {"operands": "fp16", "backend": "triton"},
}
ON_CPU = ("dense", "sampled 10 %", "fused")
ON_GPU = ("dense", "sampled 10 %", "fused", "fused fp16", "triton fp16")


@dataclass(frozen=True)
class Figures:
    """One process's. seconds: a step's median after the first. above: MiB beyond state and torch itself."""

    form: str
    classes: int
    rows: int
    device: str
    seconds: float
    state_mib: float
    above_mib: float
    process_mib: float
    roofline: float


def status_mib(kind: str) -> float:
    """VmRSS or VmHWM of this process, MiB."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith(kind))


def product_rate(device: torch.device, half: bool) -> float:
    """Flops a second of a large matrix product in the operands' type."""
    size = 8192 if device.type == "cuda" else 2048
    kind = torch.float16 if half and device.type == "cuda" else torch.float32
    left = torch.randn(size, size, device=device, dtype=kind)
    rates = []
    for _ in range(6):
        synchronised(device)
        began = perf_counter()
        left @ left
        synchronised(device)
        rates.append(2 * size**3 / (perf_counter() - began))
    return max(rates)


def synchronised(device: torch.device) -> None:
    """Wait for the GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def one_process(form: str, classes: int, rows: int, name: str, steps: int) -> Figures:
    """Steps of SGD with momentum and decay, by the loss of ArcFace, on random embeddings."""
    device = torch.device(name)
    synchronised(device)
    before = status_mib("VmRSS")
    head = ShardedClassifier(classes, DIMENSION, logit_map("arcface"), device=device, **FORMS[form])  # type: ignore[arg-type]
    settings = {"lr": 0.1, "momentum": 0.9, "weight_decay": 5e-4}
    optimizer = (
        torch.optim.SGD(head.parameters(), **settings) if form == "dense" else PassTwoSGD(head, **settings)
    )  # type: ignore[arg-type]
    generator = torch.Generator().manual_seed(1)
    seconds = []
    for _ in range(steps):
        x = torch.randn(rows, DIMENSION, generator=generator).to(device).requires_grad_()
        labels = torch.randint(0, classes, (rows,), generator=generator).to(device)
        synchronised(device)
        began = perf_counter()
        optimizer.zero_grad()
        head(x, labels).backward()
        optimizer.step()
        synchronised(device)
        seconds.append(perf_counter() - began)
    state = classes * DIMENSION * 4 * 2 / MIB
    process, above = status_mib("VmHWM"), status_mib("VmHWM") - before - state
    if device.type == "cuda":
        process = torch.cuda.max_memory_allocated(device) / MIB
        above = process - state
    del head, optimizer
    median = statistics.median(seconds[1:])
    ideal = 8 * rows * classes * DIMENSION / product_rate(device, "16" in form)
    return Figures(form, classes, rows, name, median, state, above, process, ideal / median)


def in_a_process(form: str, classes: int, options: argparse.Namespace) -> Figures | None:
    """None where the machine has not the memory for it."""
    steps = 4 if classes * options.rows > 5e7 and options.device == "cpu" else 8
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "benchmarks.head",
        "--one",
        form,
        "--classes",
        str(classes),
    ]
    command += ["--device", options.device, "--rows", str(options.rows), "--steps", str(steps)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(
            f"{form} at {classes:,} classes did not run: {done.stderr.strip().splitlines()[-1:]}",
            file=sys.stderr,
        )
        return None
    return Figures(**json.loads(done.stdout))


def compared(options: argparse.Namespace) -> list[Figures]:
    """Medians over the repeats of every form at every size."""
    forms = ON_CPU if options.device == "cpu" else ON_GPU
    runs: dict[tuple[str, int], list[Figures]] = {}
    for classes in options.classes:
        for _ in range(options.repeats):
            for form in forms:
                figures = in_a_process(form, classes, options)
                if figures is not None:
                    runs.setdefault((form, classes), []).append(figures)
    return [_median(several) for several in runs.values()]


def _median(several: list[Figures]) -> Figures:
    """Of each figure by itself."""
    first = several[0]
    middle = {
        name: statistics.median(getattr(one, name) for one in several)
        for name in ("seconds", "above_mib", "process_mib", "roofline")
    }
    return Figures(**(asdict(first) | middle))


def _rank(rank: int, size: int, meeting: str, classes: int, rows: int) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=size)
    head = ShardedClassifier(classes, DIMENSION, logit_map("arcface"), ranks=Ranks())
    optimizer = PassTwoSGD(head, 0.1, momentum=0.9)
    x = torch.randn(rows // size, DIMENSION, requires_grad=True)
    labels = torch.randint(0, classes, (rows // size,))
    for step in range(3):
        if step == 1:
            head.ranks.sent = 0
            head.ranks.words(0)
            carried, began = loopback_bytes(), head.ranks.sent
        head(x, labels).backward()
        optimizer.step()
    head.ranks.words(0)
    if rank == 0:
        print((head.ranks.sent - began) // 2, (loopback_bytes() - carried) // 2)
    dist.destroy_process_group()


def loopback_bytes() -> int:
    """Carried by the loopback device since it came up."""
    lines = Path("/proc/net/dev").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.strip().startswith("lo:"))


def traffic(options: argparse.Namespace) -> list[dict[str, int]]:
    """Bytes of a step by ranks and classes: said by the head of rank 0, and carried for all of them."""
    table = []
    for size in options.ranks:
        for classes in options.classes:
            command = [
                sys.executable,
                "-W",
                "ignore",
                "-m",
                "benchmarks.head",
                "--one",
                "traffic",
                "--classes",
            ]
            command += [str(classes), "--ranks", str(size), "--rows", str(options.rows)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            said, carried = map(int, done.stdout.split())
            table.append({"ranks": size, "classes": classes, "sent_by_a_rank": said, "carried": carried})
    return table


def _all_ranks(size: int, classes: int, rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        meeting = str(Path(folder) / "meeting")
        torch.multiprocessing.spawn(_rank, (size, meeting, classes, rows), nprocs=size)  # type: ignore[no-untyped-call]


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--classes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--rows", type=int, default=0, help="B; 256 on a CPU, 1024 on a GPU")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--ranks", type=int, nargs="*")
    parser.add_argument("--picture", type=Path, help="write the chart of memory by classes")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--steps", type=int, default=8, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.rows = options.rows or (256 if options.device == "cpu" else 1024)
    if options.one == "traffic":
        _all_ranks(options.ranks[0], options.classes[0], options.rows)
    elif options.one:
        figures = one_process(options.one, options.classes[0], options.rows, options.device, options.steps)
        print(json.dumps(asdict(figures)))
    elif options.ranks:
        for line in traffic(options):
            print(json.dumps(line))
    else:
        _print(compared(options), options)


def _print(table: list[Figures], options: argparse.Namespace) -> None:
    if options.picture:
        options.picture.write_text(picture_of(table))
    if options.json:
        print(json.dumps([asdict(figures) for figures in table]))
        return
    dense = {figures.classes: figures.seconds for figures in table if figures.form == "dense"}
    print(
        "| classes | form | seconds a step | x dense | state MiB | above it MiB | process / state | of roofline |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for f in table:
        ratio = f"{f.seconds / dense[f.classes]:.2f}" if f.classes in dense else "-"
        share = "-" if f.form in ("dense", "sampled 10 %") else f"{f.roofline:.0%}"
        print(
            f"| {f.classes:,} | {f.form} | {f.seconds:.3f} | {ratio} | {f.state_mib:,.0f} | {f.above_mib:,.0f} "
            f"| {f.process_mib / f.state_mib:.2f} | {share} |"
        )


if __name__ == "__main__":
    main()
