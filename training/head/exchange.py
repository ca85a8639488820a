"""A running head to pages and back, each rank its own rows; what pages are and how they are cut is `pages`' subject."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch.optim import Optimizer

from training.head.checkpoint import HeadMismatch, row_states
from training.head.page_files import WEIGHT, Page
from training.head.pages import PAGE_ROWS, Pages, new_folder, write_manifest, write_pages
from training.head.sharded import ShardedClassifier


def export_pages(
    head: ShardedClassifier,
    folder: Path,
    *,
    optimizer: Optimizer | None = None,
    about: Mapping[str, Any] | None = None,
    page_rows: int = PAGE_ROWS,
) -> None:
    """Write all rows, and their optimizer's with one, into a new folder of pages. Collective over the head's ranks.

    about: JSON that is kept with it, beside the head's seed, loss and steps. An error on one rank is an error on all:
    RuntimeError where another rank's part failed.
    """
    ranks, failed = head.ranks, ""
    written: list[Page] = []
    if ranks.rank == 0:
        failed = _tried(lambda: new_folder(folder))
    _all_well(head, failed, "the folder")
    tensors = {WEIGHT: head.weight.detach(), **row_states(head, optimizer)}
    failed = _tried(lambda: written.extend(write_pages(folder, head.share.start, tensors, page_rows)))
    every = ranks.objects([asdict(page) for page in written], "pages")
    _all_well(head, failed, "the pages")
    pages = [Page(**page) for part in every for page in part]
    told = {"seed": head.seed, "loss": repr(head.of), "steps": head.steps, **(about or {})}
    failed = _tried(lambda: write_manifest(folder, pages, told)) if ranks.rank == 0 else ""
    _all_well(head, failed, "the manifest")


@torch.no_grad()
def import_pages(head: ShardedClassifier, folder: Path, optimizer: Optimizer | None = None) -> None:
    """Fill the head's rows, and its optimizer's with one that has had a step, from pages. No rank waits for another.

    HeadMismatch where the pages have other classes or dimensions, or lack a tensor that the optimizer has.
    """
    pages = Pages.open(folder)
    if (pages.classes, pages.dimension) != (head.classes, head.dimension):
        raise HeadMismatch(
            f"{folder} has {pages.classes} classes of {pages.dimension} dimensions; this head has {head.classes} of "
            f"{head.dimension}"
        )
    states = row_states(head, optimizer)
    if lacking := sorted(states.keys() - set(pages.names)):
        raise HeadMismatch(f"{folder} has no tensor {lacking[0]!r} for the optimizer; it has {pages.names}")
    for name, rows in {WEIGHT: head.weight, **states}.items():
        for start in range(0, len(rows), PAGE_ROWS):
            stop = min(start + PAGE_ROWS, len(rows))
            rows[start:stop] = pages.read(head.share.start + start, head.share.start + stop, name).to(rows)


def _tried(action: Any) -> str:
    try:
        action()
    except (OSError, ValueError) as error:
        return str(error)
    return ""


def _all_well(head: ShardedClassifier, failed: str, what: str) -> None:
    for rank, other in enumerate(head.ranks.objects(failed, what)):
        if other:
            raise RuntimeError(f"{what} could not be written by rank {rank}: {other}")
