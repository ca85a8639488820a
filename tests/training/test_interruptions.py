"""Runs as real processes that are killed, stopped and restarted: nothing of the curve is lost or changed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.training.runs import att_shards, losses
from training.journal import read_lines

STEPS = 90
CONFIG = """
threads = 1
device = "cpu"
[data]
records = "{records}"
occlusion = 0.3
[model]
backbone = "mobilefacenet"
dimension = 64
synchronised = true
settings = {{ width = 0.5 }}
[loss]
name = "arcface"
[optimisation]
batch = 12
steps = {steps}
lr = 0.05
[saving]
every = 2
"""
PATIENCE = 400.0


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("interruptions")
    path = folder / "config.toml"
    path.write_text(CONFIG.format(records=att_shards(folder, 12), steps=STEPS))
    return path


def command(config: Path, run: Path, *changes: str) -> list[str]:
    options = [option for change in changes for option in ("--set", change)]
    return [sys.executable, "-m", "training", str(config), "--out", str(run), *options]


def begun(order: list[str]) -> subprocess.Popen[bytes]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(order, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def wait_for(process: subprocess.Popen[bytes], happened: Callable[[], bool]) -> None:
    """Polls as fast as it can: a checkpoint is in the making for milliseconds only."""
    until = time.monotonic() + PATIENCE
    while process.poll() is None and not happened():
        assert time.monotonic() < until, "the run makes no progress"
        time.sleep(0.0005)


def lines(run: Path) -> int:
    return sum("loss" in line for line in read_lines(run))


def ended(process: subprocess.Popen[bytes]) -> int:
    _, words = process.communicate(timeout=PATIENCE)
    assert b"Traceback" not in words, words.decode()
    return process.returncode


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ten_kills_in_epochs_and_in_checkpoints_leave_the_losses_as_they_would_have_been(
    config: Path, tmp_path: Path
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert ended(begun(command(config, whole))) == 0
    draw = random.Random(1)
    halves = 0
    for kill in range(10):
        process = begun(command(config, killed))
        before = lines(killed)
        if kill % 2:
            wait_for(process, lambda told=before: lines(killed) != told)  # type: ignore[misc]
            wait_for(process, lambda: any((killed / "checkpoints").glob(".step-*")))
        else:
            wanted = before + draw.randint(3, 7)
            wait_for(process, lambda wanted=wanted: lines(killed) >= wanted)  # type: ignore[misc]
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL, "it was to be killed before its end"
        halves += any((killed / "checkpoints").glob(".step-*"))
    assert halves, "no kill fell into the writing of a checkpoint"
    assert ended(begun(command(config, killed))) == 0
    assert losses(killed) == losses(whole)


@pytest.mark.slow
def test_a_run_that_is_asked_to_end_saves_and_goes_on_bit_for_bit(config: Path, tmp_path: Path) -> None:
    short = ("optimisation.steps=12", "saving.every=0")
    assert ended(begun(command(config, tmp_path / "whole", *short))) == 0
    process = begun(command(config, tmp_path / "cut", *short))
    wait_for(process, lambda: lines(tmp_path / "cut") >= 4)
    process.send_signal(signal.SIGTERM)
    assert ended(process) == 130
    assert 4 <= lines(tmp_path / "cut") < 12
    assert ended(begun(command(config, tmp_path / "cut", *short))) == 0
    assert losses(tmp_path / "cut") == losses(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_torchrun_restarts_a_group_one_of_which_was_killed(config: Path, tmp_path: Path) -> None:
    def together(run: Path, restarts: int) -> subprocess.Popen[bytes]:
        launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
        return begun(
            [*launch, "--max-restarts", str(restarts), *command(config, run, "optimisation.steps=16")[1:]]
        )

    process = together(tmp_path / "whole", 0)
    assert ended(process) == 0
    process = together(tmp_path / "killed", 1)
    wait_for(process, lambda: lines(tmp_path / "killed") >= 5)
    os.kill(workers(process.pid)[-1], signal.SIGKILL)
    _, words = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, words.decode()
    assert losses(tmp_path / "killed") == pytest.approx(losses(tmp_path / "whole"), rel=1e-6)


def workers(parent: int) -> list[int]:
    """The processes that torchrun started."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(child) for child in children]


def test_a_full_disk_ends_the_run_with_the_name_of_the_checkpoint_and_leaves_no_part_of_one(
    config: Path, tmp_path: Path
) -> None:
    short = ("optimisation.steps=6",)
    # A limit on the size of a file is met as a full disk is: in the middle of a write.
    order = "import resource, signal, sys, runpy\n"
    order += "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    order += "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
    order += "sys.argv = sys.argv[1:]\nrunpy.run_module('training', run_name='__main__')\n"
    full = tmp_path / "full"
    limited = [sys.executable, "-c", order, *command(config, full, *short)[2:]]
    process = begun(limited)
    _, words = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2, words.decode()
    assert "the checkpoint of step 2 could not be written" in words.decode()
    assert "File too large" in words.decode()
    assert not list((full / "checkpoints").glob("step-*"))
