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

RANGED = 512
"""Crops for int8, half of them for the ranges of activations."""


class Precision(StrEnum):
    """Of the graph's weights and computation."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"


class Layout(StrEnum):
    """What the graph takes: crops as rows of pixels, or as planes."""

    NHWC = "nhwc-uint8"
    NCHW = "nchw-uint8"


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a run of `cocircle train`.", metavar="RUN")],
    pack: Annotated[Path, typer.Option(help="Folder to write the pack to.", metavar="DIR")],
    licence: Annotated[str, typer.Option(help="Of the network.", metavar="TEXT")],
    data: Annotated[
        str | None,
        typer.Option(
            help="Whose faces it was trained on, and by which licence or consent, in a sentence; the set's name "
            "and size are added.",
            metavar="TEXT",
        ),
    ] = None,
    data_statement: Annotated[
        Path | None, typer.Option(help="A text file that says all that, in place of --data.", metavar="FILE")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Of the pack.", show_default="the folder's")] = None,
    best: Annotated[
        bool, typer.Option("--best", help="The best validated checkpoint, not the last.")
    ] = False,
    step: Annotated[int | None, typer.Option(help="The checkpoint of this step.", metavar="N")] = None,
    precision: Annotated[
        Precision,
        typer.Option(
            help="fp16: half the file, for GPUs. int8: a third of it, for CPUs. Their cost is told."
        ),
    ] = Precision.FP32,
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
            help="Aligned faces to compare network and graph on.",
            show_default="the run's data",
            metavar="SET",
        ),
    ] = None,
    detector: Annotated[
        str, typer.Option(help="Pack whose detector it takes: a name or a folder.", metavar="PACK")
    ] = "default",
    replace: Annotated[bool, typer.Option("--replace", help="A pack that is there goes.")] = False,
) -> None:
    """Make a model pack of a trained network: cocircle serve --pack DIR"""
    with told_errors():
        from training.export.pack import Description, export_pack
        from training.trained import trained

        chosen = trained(run, step=step, best=best)
        statement = _statement(data, data_statement, chosen)
        made = export_pack(
            chosen.network,
            pack,
            Description(name or pack.resolve().name.lower(), licence, statement, _circumstances(chosen)),
            _some(crops or chosen.config.data.records, RANGED if precision is Precision.INT8 else COMPARED),
            precision=precision.value,
            layout=layout.value,
            detector=detector,
            lfw=calibrate,
            report=bars(err),
            replace=replace,
        )
    out.print(f"{pack}: contract {made.contract_id}, step {chosen.step}", soft_wrap=True)
    beside = "network" if made.cost is None else f"network, and {precision.value} beside fp32"
    out.print(f"Graph beside {beside}: {made.cost or made.agreement}", soft_wrap=True)
    if made.lfw is not None:
        out.print(f"LFW {100 * made.lfw.figures.accuracy.mean:.2f} %, calibrated", soft_wrap=True)
    else:
        out.print(
            "Without --calibrate the pack has no false match rates: no match levels and no max_fmr, and "
            "thresholds must be given as cosines.",
            soft_wrap=True,
        )
    out.print(f"Next: cocircle serve --pack {pack}", soft_wrap=True)


def _circumstances(chosen: Trained) -> dict[str, object]:
    kept = ("config", "images", "classes", "labels_sha256", "ranks", "threads", "versions")
    return {"step": chosen.step, **{key: chosen.run[key] for key in kept}}


def _statement(data: str | None, file: Path | None, chosen: Trained) -> str:
    if file is not None and data is None:
        try:
            return file.read_text("utf-8")
        except UnicodeDecodeError:
            raise typer.BadParameter(f"{file} is no UTF-8 text", param_hint="--data-statement") from None
    if data is None or file is not None:
        raise typer.BadParameter(
            "say whose faces it was trained on, and by which licence or consent, in a sentence, or else in a "
            "file with --data-statement",
            param_hint="--data",
        )
    # Without a sentence the figures alone would pass for a statement.
    if not data.strip():
        return ""
    name = chosen.config.data.records.resolve().name
    return f"{name}: {chosen.images:,} images of {chosen.classes:,} identities. {data.strip()}"


def _some(source: Path, wanted: int) -> NDArray[np.uint8]:
    """(N, 112, 112, 3) uint8 crops from all over a set, N at most `wanted`."""
    import numpy as np

    from training.data.source import open_records

    records = open_records(source, damaged="skip")
    chosen = np.linspace(0, len(records) - 1, min(wanted, len(records))).astype(int)
    return np.stack([records.image(index) for index in chosen.tolist()])
