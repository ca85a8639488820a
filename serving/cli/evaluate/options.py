"""What every protocol's command shares: options, where embeddings come from, tables and pages; no protocol."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table as RichTable

from evaluation.datasets.images import DatasetError
from evaluation.embedding.sources import EmbeddingSource, FileEmbeddings, PackEmbeddings
from evaluation.report.page import page, side_by_side
from evaluation.report.protocol_result import ProtocolResult, Table
from evaluation.report.results_folder import keep
from faces.analyzer import Analyzer
from faces.pack import ModelPack, load_pack
from serving.cli.composed import composed, options_of
from serving.cli.console import EXIT_ERROR, out, photo_progress, tell_error, told_errors

Packs = Annotated[list[str] | None, typer.Option(help="Pack, by name or folder; may be given several times.")]
EmbeddingFiles = Annotated[
    list[Path] | None,
    typer.Option(
        help="Embeddings made elsewhere in place of a pack: .npz with `names` and `embeddings`; may be given "
        "several times.",
        metavar="NPZ",
    ),
]
Page = Annotated[Path | None, typer.Option(help="Write one self-contained page.", metavar="HTML")]
Results = Annotated[
    Path | None,
    typer.Option(help="Keep the result in this folder, for `cocircle evaluate report`.", metavar="DIR"),
]
Threads = Annotated[int, typer.Option(min=0, max=256, help="Of one model run; 0 takes all.")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Embed again what was embedded before.")]
Aligned = Annotated[
    bool, typer.Option("--aligned", help="Images are aligned 112x112 crops, taken as they are.")
]
Seed = Annotated[int, typer.Option(min=0, help="Of all that is drawn at random.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document in place of tables.")]


@dataclass(frozen=True)
class Sources:
    """What the shared options name. files: of embeddings made elsewhere."""

    packs: Sequence[str]
    files: Sequence[Path]
    threads: int
    no_cache: bool

    @property
    def named(self) -> bool:
        """Whether anything was named at all."""
        return bool(self.packs or self.files)

    def opened(self) -> list[EmbeddingSource]:
        """The packs and files that were named, else the default pack."""

        def open_analyzer(chosen: ModelPack) -> Analyzer:
            return Analyzer(chosen, threads=self.threads)

        of_packs = [
            PackEmbeddings(load_pack(name), open_analyzer, photo_bar, use_cache=not self.no_cache)
            for name in self.packs or ([] if self.files else ["default"])
        ]
        return [*of_packs, *(FileEmbeddings(path) for path in self.files)]


def protocol(measure: Callable[..., Sequence[ProtocolResult]]) -> Callable[..., None]:
    """The command of a protocol: the options of `measure` and after them those that all protocols share.

    measure: called with Sources and its own options; its docstring is the command's help. Errors are told, and its
    results are shown as the shared options ask.
    """

    def command(
        *,
        pack: Packs = None,
        embeddings: EmbeddingFiles = None,
        report: Page = None,
        results: Results = None,
        threads: Threads = 0,
        no_cache: NoCache = False,
        as_json: AsJson = False,
        **own: object,
    ) -> None:
        with told():
            found = measure(Sources(pack or (), embeddings or (), threads, no_cache), **own)
            show(found, report, results, as_json)

    shared = list(inspect.signature(command, eval_str=True).parameters.values())[:-1]
    return composed(command, measure, [*options_of(measure), *shared])


@contextmanager
def photo_bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar of images on standard error; an evaluation.embedding.sources.Report."""
    with photo_progress() as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.advance(task, done)


@contextmanager
def told() -> Iterator[None]:
    """Turns what is wrong with a data set, a pack or an option into its sentence and exit status 2."""
    try:
        with told_errors():
            yield
    except DatasetError as error:
        tell_error(str(error))
        raise typer.Exit(EXIT_ERROR) from None


def show(
    results: Sequence[ProtocolResult], page_path: Path | None, results_folder: Path | None, as_json: bool
) -> None:
    """Prints tables, or one JSON document; writes the page and keeps the results where that was asked for."""
    if page_path is not None:
        page_path.write_text(page(results), encoding="utf-8")
    if results_folder is not None:
        keep(results, results_folder)
    if as_json:
        records = [result.record() for result in results]
        sys.stdout.write(json.dumps(records, indent=2, allow_nan=False) + "\n")
        return
    for table in side_by_side(results):
        out.print(rich_table(table))
    for note in dict.fromkeys(note for result in results for note in result.notes):
        out.print(note, soft_wrap=True, markup=False)


def rich_table(table: Table) -> RichTable:
    """For the terminal: names at the left, figures at the right."""
    made = RichTable(title=table.title, title_justify="left")
    for at, name in enumerate(table.rows[0]):
        made.add_column(name, justify="left" if at == 0 else "right")
    for row in table.rows[1:]:
        made.add_row(*row)
    return made
