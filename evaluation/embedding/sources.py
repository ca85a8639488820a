"""Where a protocol's embeddings come from: a pack, kept on disk by contract, or a file of anybody's; judges nothing."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from evaluation.datasets.images import DatasetError, Images
from evaluation.embedding.cache import cache_path, cached
from evaluation.embedding.pipeline import REVISION, EmbeddedSet, Embeds, embed_aligned, embed_photos
from evaluation.provenance import pipeline_digest, versions
from faces.pack import ModelPack

Report = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""Opens a progress display for a task of so many images; what it yields is told how many more are done."""


def silent(what: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
    """A Report that shows nothing."""
    return nullcontext(lambda done: None)


EmbedImages = Callable[..., EmbeddedSet]
"""Called as (analyzer, images, progress=...); embed_photos and embed_aligned are two."""


class EmbeddingSource(Protocol):
    """One embedding for each image of a set. name: for tables and legends. contract_id: what made the embeddings."""

    @property
    def name(self) -> str: ...

    @property
    def contract_id(self) -> str: ...

    def photos(self, images: Images) -> EmbeddedSet:
        """Of whole photos: faces are detected and aligned."""
        ...

    def aligned(self, crops: Images) -> EmbeddedSet:
        """Of aligned 112x112 crops, taken as they are."""
        ...


class PackEmbeddings:
    """What a model pack makes of image sets. `open_analyzer` is called at most once, and only where the cache lacks
    something.
    """

    def __init__(
        self,
        pack: ModelPack,
        open_analyzer: Callable[[ModelPack], Embeds],
        report: Report,
        *,
        use_cache: bool = True,
    ) -> None:
        self.pack = pack
        self._open_analyzer = open_analyzer
        self._report = report
        self._use_cache = use_cache
        self._analyzer: Embeds | None = None

    @property
    def name(self) -> str:
        return f"{self.pack.name}, flip" if self.pack.embedder.flip else self.pack.name

    @property
    def contract_id(self) -> str:
        return self.pack.contract_id

    def photos(self, images: Images) -> EmbeddedSet:
        """See EmbeddingSource; where no face is found, the central part of the photo is embedded."""
        return self.of(images, "photos", embed_photos)

    def aligned(self, crops: Images) -> EmbeddedSet:
        """See EmbeddingSource; DatasetError names a crop of another size."""
        return self.of(crops, "aligned crops", embed_aligned)

    def of(self, images: Images, what: str, embed: EmbedImages) -> EmbeddedSet:
        """The set as `embed` makes it. what: names the way in progress displays and in the cache; another way to embed
        needs another word, with a number that rises when the way changes.
        """

        def compute() -> EmbeddedSet:
            if self._analyzer is None:
                self._analyzer = self._open_analyzer(self.pack)
            with self._report(what, len(images.names)) as progress:
                return embed(self._analyzer, images, progress=progress)

        return cached(self._path(images, what), images.names, compute) if self._use_cache else compute()

    def _path(self, images: Images, what: str) -> Path:
        detector = self.pack.detector
        return cache_path(
            self.pack.contract_id,
            images.digest,
            f"{what} {REVISION}",
            pipeline_digest(),
            versions()["onnxruntime"],
            f"{detector.kind} {detector.model.sha256} {detector.input} {detector.score} {detector.iou}",
        )


class FileEmbeddings:
    """Rows that another program made, in an .npz file: `names` (N,) text and `embeddings` (N, D) numbers.

    Rows are brought to unit length. DatasetError where the file is no such file, a name is twice, or a row is zero or
    not finite; and, when a set is asked for, where one of its names is not in the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        content = _read(path)
        names, rows = _arrays(content, path)
        self._row_of = {name: row for row, name in enumerate(names)}
        if len(self._row_of) != len(names):
            raise DatasetError(f"{path} holds a name twice")
        self._rows = rows
        self.name = path.stem
        self.contract_id = f"file-{hashlib.sha256(content).hexdigest()[:12]}"

    def photos(self, images: Images) -> EmbeddedSet:
        """See EmbeddingSource; images are not looked at."""
        missing = [name for name in images.names if name not in self._row_of]
        if missing:
            raise DatasetError(
                f"{self._path} lacks {len(missing)} of {len(images.names)} images, the first is {missing[0]}"
            )
        rows = self._rows[[self._row_of[name] for name in images.names]]
        return EmbeddedSet(images.names, rows, rows, np.ones(len(rows), np.int32))

    aligned = photos


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}") from error


def _arrays(content: bytes, path: Path) -> tuple[list[str], NDArray[np.float32]]:
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            names, rows = stored["names"], stored["embeddings"]
    except (OSError, ValueError, KeyError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{path} is no .npz file with `names` and `embeddings`: {error}") from error
    if names.ndim != 1 or names.dtype.kind != "U" or rows.ndim != 2 or len(rows) != len(names):
        raise DatasetError(
            f"{path}: names must be (N,) text and embeddings (N, D); they are {names.dtype} {names.shape} and "
            f"{rows.dtype} {rows.shape}"
        )
    wide = rows.astype(np.float64)
    largest = np.abs(wide).max(axis=1, initial=0.0, keepdims=True)  # (N, 1)
    wrong = np.flatnonzero(~(np.isfinite(largest[:, 0]) & (largest[:, 0] > 0)))
    if wrong.size:
        raise DatasetError(f"{path}: the embedding of {names[wrong[0]]} is zero or not finite")
    # The square of a small or a large number is 0 or infinite.
    wide /= largest
    return names.tolist(), (wide / np.linalg.norm(wide, axis=1, keepdims=True)).astype(np.float32)
