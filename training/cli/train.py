"""`cocircle train`: asks and shows; training.trainer trains."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.cli.console import err, out, told_errors

if TYPE_CHECKING:
    from training.config import RunConfig
    from training.ranks import Ranks

INTERRUPTED = 130


def train(
    config: Annotated[
        Path, typer.Argument(help="A TOML file, or the name of a ready one.", metavar="CONFIG")
    ],
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a setting; may be repeated.", metavar="TABLE.KEY=VALUE"),
    ] = None,
    # Not --run, which torchrun would take for a beginning of its own --run-path.
    run: Annotated[
        Path | None, typer.Option("--out", help="Folder of the run.", show_default="runs/NAME", metavar="DIR")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say what the run will do and take, and train nothing.")
    ] = False,
    ranks: Annotated[
        int | None, typer.Option(min=1, help="With --explain: for so many processes.", metavar="N")
    ] = None,
) -> None:
    """Train a face network. The same command again goes on from the last checkpoint.

    With several processes: torchrun --nproc-per-node N -m training CONFIG.toml
    """
    with told_errors():
        from training.config import read_config
        from training.configs import ready

        chosen = read_config(ready(config), changes or [])
        if explain:
            _explain(chosen, ranks or 1)
            return
        with _processes(chosen) as group:
            _train(chosen, run or Path("runs") / config.stem, group)


def _train(config: RunConfig, folder: Path, ranks: Ranks) -> None:
    from training.cli.progress import Bar
    from training.trainer import Run

    with Bar() as bar:
        going = Run(config, folder, ranks, bar)
        try:
            going.go()
        except KeyboardInterrupt:
            if ranks.rank == 0:
                err.print(
                    f"stopped and saved; the same command goes on from there ({folder})", soft_wrap=True
                )
            raise typer.Exit(INTERRUPTED) from None
    if ranks.rank == 0:
        err.print(
            f"The run is in {folder}. Next: cocircle export {folder} --pack DIR --data TEXT --licence TEXT",
            soft_wrap=True,
        )


def _explain(config: RunConfig, size: int) -> None:
    from training.data.source import open_records
    from training.explain import explained
    from training.plan import batches_of, plan_of
    from training.ranks import Ranks

    records = open_records(config.data.records, damaged=config.data.damaged)
    batches = batches_of(config, records, Ranks(alone=True))
    out.print(explained(config, plan_of(config, records, len(batches), size)))


@contextmanager
def _processes(config: RunConfig) -> Iterator[Ranks]:
    """This process alone, or one of those that torchrun started."""
    import torch.distributed as dist
    from torch._C._distributed_c10d import PrefixStore, TCPStore

    from training.device import on_gpu, take_own_gpu
    from training.ranks import Ranks

    if "WORLD_SIZE" not in os.environ:
        yield Ranks()
        return
    gpu = on_gpu(config)
    if gpu:
        take_own_gpu()
    place = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    server = TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), is_master=_first_of_all())
    # After a restart torchrun's store still holds the addresses of those that died.
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    store = PrefixStore(f"cocircle/{attempt}", server)
    dist.init_process_group("nccl" if gpu else "gloo", store=store, rank=place[0], world_size=place[1])
    try:
        yield Ranks()
    finally:
        dist.destroy_process_group()


def _first_of_all() -> bool:
    """Whether this process keeps the store: rank 0, unless torchrun does."""
    return os.environ["RANK"] == "0" and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
