"""`cocircle evaluate market-1501`, `msmt17`, `cub-200`, `cars196`, `sop`, `retrieval`: ranking images that need not be
faces; asks and prints, evaluation/ measures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from evaluation.datasets.fine_grained import open_cars, open_cub, open_sop
from evaluation.datasets.market import open_market
from evaluation.datasets.msmt import open_msmt
from evaluation.datasets.retrieval_csv import open_retrieval
from evaluation.datasets.retrieval_set import RetrievalSet
from evaluation.report.protocol_result import ProtocolResult
from evaluation.retrieval.run import run_retrieval
from serving.cli.console import err
from serving.cli.evaluate.options import Sources, photo_bar, protocol

Data = Annotated[
    Path,
    typer.Option(
        help="Folder of the data set as it is distributed, or of your own as the command says.",
        metavar="PATH",
    ),
]

NO_FACES = (
    "These are no faces: give rows of any network by --embeddings (names as {names}), or by --pack one that was "
    "trained on such images; it sees each resized whole to 112x112."
)


def _command(open_set: Callable[[Path], RetrievalSet], about: str, more: str) -> Callable[..., None]:
    """The command of one set. about: its first sentence; more: what else its help says."""

    def measure(asked: Sources, data: Data) -> list[ProtocolResult]:
        if not asked.named:
            raise typer.BadParameter(
                "name a source, --embeddings NPZ or --pack PACK: the default pack is for faces and is not assumed here",
                param_hint="--embeddings",
            )
        chosen = asked.opened()
        with err.status(f"reading {data}"):
            opened = open_set(data)
        return [run_retrieval(one, opened, report=photo_bar) for one in chosen]

    measure.__doc__ = f"{about}\n\n{more}"
    return protocol(measure)


COMMANDS: Mapping[str, Callable[..., None]] = {
    "market-1501": _command(
        open_market,
        "Market-1501, person re-identification: rank-1, 5, 10 and mAP, images of the query's camera left out.",
        NO_FACES.format(names="query/0001_c1s1_001051_00.jpg"),
    ),
    "msmt17": _command(
        open_msmt,
        "MSMT17, first or second version, person re-identification: rank-1, 5, 10 and mAP.",
        NO_FACES.format(names="in list_query.txt and list_gallery.txt"),
    ),
    "cub-200": _command(
        open_cub,
        "CUB-200-2011, classes 101 to 200 against each other: R@1, 2, 4, 8, mAP@R and R-precision.",
        NO_FACES.format(names="in images.txt"),
    ),
    "cars196": _command(
        open_cars,
        "Cars196, classes 99 to 196 against each other: R@1, 2, 4, 8, mAP@R and R-precision.",
        "The classes come from cars_annos.csv (relative_im_path,class), from cars_annos.mat where scipy is installed, "
        "or from a folder for each class. " + NO_FACES.format(names="car_ims/000001.jpg"),
    ),
    "sop": _command(
        open_sop,
        "Stanford Online Products, 60,502 test images against each other: R@1, 10, 100, 1000, mAP@R and R-precision.",
        NO_FACES.format(names="in Ebay_test.txt"),
    ),
    "retrieval": _command(
        open_retrieval,
        "Images of your own, ranked for each other or for queries: rank-1, 5, 10, mAP, mAP@R and R-precision.",
        "--data is a folder of identity/file.jpg, or a CSV with the columns image,identity[,camera][,role]. Give "
        "rows of any network by --embeddings (names are paths below the folder), or a pack by --pack; it sees each "
        "image resized whole to 112x112, and no face is looked for: aligned crops are right, photos of people are not.",
    ),
}
