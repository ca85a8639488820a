"""`cocircle reproduce`: the papers' small tables and figures, measured again; asks and shows only."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from training.cli.console import err, out, told_errors

if TYPE_CHECKING:
    from training.reproduce.images import Images
    from training.reproduce.recipe import Recipe
    from training.reproduce.scatter import Clouds
    from training.reproduce.small_table import SmallTable

reproduce_app = typer.Typer(
    help="Measure the papers' small tables and draw their figures again.", no_args_is_help=True
)


class Device(StrEnum):
    """Where to compute."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class Schedule(StrEnum):
    """How long, and with how large a network."""

    SHORT = "short"
    FULL = "full"


Data = Annotated[Path, typer.Option(help="Folder that holds the data set's files.", metavar="DIR")]
Folder = Annotated[Path, typer.Option("--out", help="Folder of the results.", metavar="DIR")]
Losses = Annotated[
    str | None, typer.Option(help="Rows, with commas between; all five where not given.", metavar="NAMES")
]
Seeds = Annotated[int, typer.Option(min=1, help="How many; the first is 0.")]
Epochs = Annotated[int | None, typer.Option(min=1, help="Passes, in place of the schedule's.")]
Processes = Annotated[
    int, typer.Option(min=0, help="Pairs of loss and seed at a time. 0: one a core; on a GPU one.")
]
DeviceOption = Annotated[Device, typer.Option(help="auto: a GPU where there is one.")]
Picture = Annotated[Path, typer.Option("--out", help="File of the picture.", metavar="SVG")]


@dataclass(frozen=True)
class _Asked:
    """What both tables are asked for."""

    data: Path
    folder: Path
    losses: str | None
    seeds: int
    epochs: int | None
    processes: int
    device: Device


@reproduce_app.command()
def coco_mnist(
    data: Data,
    folder: Folder = Path("runs/coco-mnist"),
    losses: Losses = None,
    seeds: Seeds = 3,
    epochs: Epochs = None,
    features: Annotated[
        int | None,
        typer.Option(
            min=2, max=2, help="Draw test features of so many dimensions, seed 0, in place of the table."
        ),
    ] = None,
    processes: Processes = 0,
    device: DeviceOption = Device.AUTO,
) -> None:
    """Test errors on MNIST by the five losses of the COCO paper. The same command again does what is missing."""
    with told_errors():
        from training.reproduce.images import read_mnist
        from training.reproduce.recipe import MNIST

        asked = _Asked(data, folder, losses, 1 if features else seeds, epochs, processes, device)
        _tell("MNIST", read_mnist, replace(MNIST, dimension=features or MNIST.dimension), asked)


@reproduce_app.command()
def coco_cifar10(
    data: Data,
    folder: Folder = Path("runs/coco-cifar10"),
    losses: Losses = None,
    seeds: Seeds = 1,
    epochs: Epochs = None,
    schedule: Annotated[
        Schedule, typer.Option(help="full: a larger network for longer, on a GPU.")
    ] = Schedule.SHORT,
    processes: Processes = 0,
    device: DeviceOption = Device.AUTO,
) -> None:
    """Test errors on CIFAR-10, without augmentation, by the same five losses."""
    with told_errors():
        from training.reproduce.images import read_cifar10
        from training.reproduce.recipe import CIFAR_FULL, CIFAR_SHORT

        asked = _Asked(data, folder, losses, seeds, epochs, processes, device)
        _tell("CIFAR-10", read_cifar10, CIFAR_FULL if schedule is Schedule.FULL else CIFAR_SHORT, asked)


@reproduce_app.command()
def circle_gradients(picture: Picture = Path("circle-gradients.svg")) -> None:
    """What triplet, AM-Softmax and Circle ask of a pair of similarities: figure 2 of the Circle paper."""
    with told_errors():
        from training.reproduce.gradients import gradient_picture

        picture.write_text(gradient_picture(), "utf-8")
    err.print(f"written to {picture}", soft_wrap=True)


@reproduce_app.command()
def circle_scatter(
    runs: Annotated[
        list[Path], typer.Argument(help="Folders of runs, to stand side by side.", metavar="RUN...")
    ],
    picture: Picture = Path("circle-scatter.svg"),
    crops: Annotated[
        Path | None,
        typer.Option(
            help="Aligned faces of identities they learned; each run's own where not given.", metavar="SET"
        ),
    ] = None,
    samples: Annotated[int, typer.Option(min=1, help="At most so many of the faces.")] = 1000,
    before: Annotated[int, typer.Option(min=0, help="Step; 0: the first values.", metavar="N")] = 0,
    after: Annotated[int | None, typer.Option(help="Step; the last where not given.", metavar="N")] = None,
) -> None:
    """Each face's cosine to its own centroid and to the nearest other, before and after: figure 3 there."""
    with told_errors():
        from training.reproduce.scatter import clouds, scatter_picture

        drawn = []
        for run in runs:
            with err.status(f"embedding the faces of {run}"):
                drawn.append(clouds(run, crops, samples, before=before, after=after))
        picture.write_text(scatter_picture(drawn), "utf-8")
    out.print(_clouds_table(drawn))
    err.print(f"written to {picture}", soft_wrap=True)


def _tell(title: str, reader: Callable[[Path], Images], recipe: Recipe, asked: _Asked) -> None:
    from training.reproduce.contestants import CONTESTANTS
    from training.reproduce.small_table import SmallTable
    from training.reproduce.table import HEADINGS, markdown, rows

    names = asked.losses.split(",") if asked.losses else [one.name for one in CONTESTANTS]
    with err.status(f"reading {asked.data}"):
        images = reader(asked.data)
    recipe = replace(recipe, epochs=asked.epochs or recipe.epochs)
    table = SmallTable(images, recipe, asked.folder, names, asked.seeds)
    _do(table, asked)
    if table.drawn:
        for one in table.contestants:
            out.print(str(table.picture(one.name, 0)), soft_wrap=True)
        return
    made = rows(images.name, table.contestants, table.finished())
    heading = f"{title}: test errors by the losses of the COCO paper"
    shown = _table(HEADINGS)
    for row in made:
        shown.add_row(*row)
    out.print(heading, shown, *table.remarks(), sep="\n", soft_wrap=True)
    written = asked.folder / "table.md"
    written.write_text(markdown(heading, made, table.remarks()), "utf-8")
    err.print(f"written to {written}", soft_wrap=True)


def _do(table: SmallTable, asked: _Asked) -> None:
    import torch

    from training.device import on_gpu

    if asked.device is Device.CUDA and not torch.cuda.is_available():
        raise typer.BadParameter("torch sees no GPU here", param_hint="--device")
    gpu = on_gpu(table.recipe.run_config(0, asked.device.value))
    at_a_time = asked.processes or (1 if gpu else len(os.sched_getaffinity(0)))
    missing = len(table.missing())
    err.print(
        f"{len(table.finished())} pairs of loss and seed are done, {missing} are missing", soft_wrap=True
    )
    for number, result in enumerate(table.do(at_a_time, "cuda" if gpu else "cpu"), 1):
        own = "" if result.error is None else f"{result.error:.2f} % wrong, "
        err.print(
            f"{number}/{missing} {result.loss}, seed {result.seed}: {own}{result.error_by_means:.2f} % by class "
            f"means, loss {result.losses[-1]:.3g}, {result.seconds:.0f} s",
            soft_wrap=True,
        )


def _clouds_table(drawn: list[Clouds]) -> Table:
    table = _table(("run", "step", "s_p, mean ± deviation", "s_n, mean ± deviation", "s_p > s_n, %"))
    for one in drawn:
        for cloud in (one.before, one.after):
            table.add_row(
                f"{one.run} ({one.loss})",
                f"{cloud.step:,}",
                f"{cloud.within.mean():.3f} ± {cloud.within.std():.3f}",
                f"{cloud.between.mean():.3f} ± {cloud.between.std():.3f}",
                f"{100 * (cloud.within > cloud.between).mean():.1f}",
            )
    return table


def _table(headings: tuple[str, ...]) -> Table:
    table = Table()
    for at, heading in enumerate(headings):
        table.add_column(heading, justify="right" if at else "left")
    return table
