"""`cocircle export`: asks and shows; training.export writes the pack."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from training.cli.bars import bars
from training.cli.console import err, out, told_errors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from training.trained import Trained

COMPARED = 64
"""Crops on which the graph and the network must agree."""


class Precision(StrEnum):
    """Of the graph's weights and computation."""

    FP32 = "fp32"
    FP16 = "fp16"


class Layout(StrEnum):
    """What the graph takes: crops as rows of pixels, or as planes."""

    NHWC = "nhwc-uint8"
    NCHW = "nchw-uint8"


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a run of `cocircle train`.", metavar="RUN")],
    pack: Annotated[Path, typer.Option(help="Folder to write the pack to.", metavar="DIR")],
    data: Annotated[
        str,
        typer.Option(
            help="What faces it was trained on, and by which licence or consent, in a sentence.",
            metavar="TEXT",
        ),
    ],
    licence: Annotated[str, typer.Option(help="Of the network.", metavar="TEXT")],
    name: Annotated[str | None, typer.Option(help="Of the pack. [default: the folder's]")] = None,
    best: Annotated[
        bool, typer.Option("--best", help="The best validated checkpoint, not the last.")
    ] = False,
    step: Annotated[int | None, typer.Option(help="The checkpoint of this step.", metavar="N")] = None,
    precision: Annotated[Precision, typer.Option(help="fp16 halves the file.")] = Precision.FP32,
    layout: Annotated[Layout, typer.Option(help="What the graph takes.")] = Layout.NHWC,
    calibrate: Annotated[
        Path | None,
        typer.Option(
            help="Measure false match rates on LFW in this folder, as `evaluate lfw`.", metavar="DIR"
        ),
    ] = None,
    crops: Annotated[
        Path | None,
        typer.Option(
            help="Aligned faces to compare network and graph on. [default: the run's data]", metavar="SET"
        ),
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="A pack that is there goes.")] = False,
) -> None:
    """Make a model pack of a trained network: cocircle serve --pack DIR"""
    with told_errors():
        from training.export.pack import Description, export_pack
        from training.trained import trained

        chosen = trained(run, step=step, best=best)
        source = crops or chosen.config.data.records
        statement = f"{data} ({chosen.images:,} images of {chosen.classes:,} identities)"
        made = export_pack(
            chosen.network,
            pack,
            Description(name or pack.resolve().name.lower(), licence, statement, _circumstances(chosen)),
            _some(source),
            precision=precision.value,
            layout=layout.value,
            lfw=calibrate,
            report=bars(err),
            replace=replace,
        )
    out.print(f"{pack}: contract {made.contract_id}, step {chosen.step}; {made.agreement}", soft_wrap=True)
    if made.lfw is not None:
        out.print(f"LFW {100 * made.lfw.figures.accuracy.mean:.2f} %, calibrated", soft_wrap=True)
    else:
        out.print(
            "Without --calibrate the pack has no false match rates: thresholds must be given as cosines.",
            soft_wrap=True,
        )
    out.print(f"Next: cocircle serve --pack {pack}", soft_wrap=True)


def _circumstances(chosen: Trained) -> dict[str, object]:
    kept = ("config", "images", "classes", "labels_sha256", "ranks", "threads", "versions")
    return {"step": chosen.step, **{key: chosen.run[key] for key in kept}}


def _some(source: Path) -> NDArray[np.uint8]:
    """(N, 112, 112, 3) uint8 crops from all over a set."""
    import numpy as np

    from training.data.source import open_records

    records = open_records(source, damaged="skip")
    chosen = np.linspace(0, len(records) - 1, min(COMPARED, len(records))).astype(int)
    return np.stack([records.image(index) for index in chosen.tolist()])
