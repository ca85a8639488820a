"""Images a second of the networks on this machine's CPU, and what each of the settings that matter is worth.

`python -m benchmarks.backbones [NETWORK ...] [--batch 64] [--threads N] [--json]`, without a network a ladder for
MobileFaceNet and the best settings for the others that a CPU may train. Every row is measured in a process of
its own, the best of some repetitions, with the GEMM rate beside it. Nothing else should be running.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.backbones import backbone, names
from training.backbones.cost import cost
from training.backbones.cpu import Linear, PReLU, StridedDepthwise
from training.backbones.memory import keep_freed_memory

OTHERS = ("iresnet-18", "iresnet-50", "vit-t", "vit-s")
SECONDS = 4.0
HEADINGS = (
    "| network | parameters, M | multiply-adds, M | settings | batch | images/s forward | images/s step "
    "| GEMM, GFLOP/s | forward, share of it | step, share of it |\n" + "|---" * 10 + "|"
)


@dataclass(frozen=True)
class Setting:
    """One row before it is measured. compiled: by torch.compile."""

    network: str
    batch: int
    threads: int
    kept_memory: bool = True
    channels_last: bool = True
    own_layers: bool = True
    bfloat16: bool = False
    compiled: bool = False

    def __str__(self) -> str:
        said = {
            "freed memory kept": self.kept_memory,
            "channels-last": self.channels_last,
            "own layers": self.own_layers,
            "bfloat16": self.bfloat16,
            "torch.compile": self.compiled,
        }
        return ", ".join(word for word, so in said.items() if so) or "torch as it comes"


@dataclass(frozen=True)
class Measured:
    """Images a second forward (evaluation) and forward with backward; GFLOP/s of the fastest matrix product."""

    setting: Setting
    parameters: int
    multiply_adds: int
    forward: float
    step: float
    gemm: float

    def shares(self) -> tuple[float, float]:
        """Of the GEMM rate, forward and step; a step is three forwards' worth of products."""
        flops = 2e-9 * self.multiply_adds
        return self.forward * flops / self.gemm, 3 * self.step * flops / self.gemm


def best_time(run: Callable[[], object], seconds: float = SECONDS) -> float:
    """Seconds of the fastest repetition, of at least three after two that do not count."""
    run()
    run()
    times: list[float] = []
    until = time.perf_counter() + seconds
    while len(times) < 3 or time.perf_counter() < until:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def gemm_rate(dtype: torch.dtype) -> float:
    """GFLOP/s of a product (12544 x 512) (512 x 1536) by MKL or, as a 1 x 1 convolution, by oneDNN: the faster."""
    x, weight = torch.randn(64, 196, 512).to(dtype), torch.randn(1536, 512).to(dtype)
    image, kernel = x.unsqueeze(2).permute(0, 3, 1, 2), weight[:, :, None, None]
    with torch.no_grad():
        matrix = best_time(lambda: functional.linear(x, weight), 1.0)
        convolution = best_time(lambda: functional.conv2d(image, kernel), 1.0)
    return 2e-9 * x.numel() * len(weight) / min(matrix, convolution)


def as_torch_has_them(network: nn.Module) -> None:
    """Turn the layers of training.backbones.cpu into the torch classes that they extend."""
    for module in network.modules():
        if isinstance(module, PReLU | StridedDepthwise | Linear):
            module.__class__ = type(module).__bases__[0]


def measure(setting: Setting) -> Measured:
    """In this process, whose memory settings cannot be taken back."""
    if setting.kept_memory:
        keep_freed_memory()
    torch.set_num_threads(setting.threads)
    torch.manual_seed(0)
    network = backbone(setting.network)
    of = cost(network)
    layout = torch.channels_last if setting.channels_last else torch.contiguous_format
    network.to(memory_format=layout)  # type: ignore[call-overload]
    if not setting.own_layers:
        as_torch_has_them(network)
    images = torch.randn(setting.batch, 3, 112, 112).contiguous(memory_format=layout)
    slopes = torch.randn(setting.batch, network.dimension)
    called = torch.compile(network, dynamic=False) if setting.compiled else network

    def forward() -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=setting.bfloat16):
            embeddings: Tensor = called(images)
        return embeddings

    step = best_time(lambda: forward().backward(slopes))  # type: ignore[no-untyped-call]
    network.eval()
    with torch.no_grad():
        alone = best_time(forward)
    gemm = gemm_rate(torch.bfloat16 if setting.bfloat16 else torch.float32)
    return Measured(
        setting, of.parameters, of.multiply_adds, setting.batch / alone, setting.batch / step, gemm
    )


def in_a_process_of_its_own(setting: Setting) -> Measured:
    """`measure` in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.backbones", "--row", json.dumps(asdict(setting))]
    printed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    found = json.loads(printed.splitlines()[-1])
    return Measured(**(found | {"setting": Setting(**found["setting"])}))


def ladder(network: str, batch: int, threads: int) -> list[Setting]:
    """From torch as it comes to the best, one change a row, and torch.compile beside the last two."""
    plain = Setting(network, batch, threads, kept_memory=False, channels_last=False, own_layers=False)
    kept = replace(plain, kept_memory=True)
    layout = replace(kept, channels_last=True)
    own = replace(layout, own_layers=True)
    half = replace(own, bfloat16=True)
    return [
        plain,
        kept,
        layout,
        own,
        half,
        replace(layout, bfloat16=True),
        replace(own, compiled=True),
        replace(half, compiled=True),
    ]


def rows(asked: list[str], batch: int, threads: int) -> list[Setting]:
    """What to measure: the ladder of the networks asked for, or of MobileFaceNet and the best of the others."""
    if asked:
        return [setting for name in asked for setting in ladder(name, batch, threads)]
    best = [
        Setting(name, min(batch, 16), threads, bfloat16=half) for name in OTHERS for half in (False, True)
    ]
    return [*ladder("mobilefacenet", batch, threads), *best]


def line(found: Measured) -> str:
    """A row of the table."""
    forward, step = found.shares()
    size, work = found.parameters / 1e6, found.multiply_adds / 1e6
    return (
        f"| {found.setting.network} | {size:.2f} | {work:,.0f} | {found.setting} | {found.setting.batch} "
        f"| {found.forward:.1f} | {found.step:.1f} | {found.gemm:.0f} | {forward:.0%} | {step:.0%} |"
    )


def main() -> None:
    """Print a table, or one JSON object a row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=", ".join(names()))
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.row:
        print(json.dumps(asdict(measure(Setting(**json.loads(given.row))))))
        return
    if not given.json:
        print(HEADINGS)
    for setting in rows(given.networks, given.batch, given.threads):
        found = in_a_process_of_its_own(setting)
        if given.json:
            print(json.dumps(asdict(found)), flush=True)
            continue
        print(line(found), flush=True)


if __name__ == "__main__":
    main()
