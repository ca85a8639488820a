"""Pairs of photos to validate on while training: their crops cut once, then embedded by the network as it is now.

The photos stay where they are; what is kept between runs are landmarks, in the cache folder.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from evaluation.datasets.images import combined_digest
from evaluation.datasets.lfw import open_lfw
from evaluation.embedding.pipeline import central_crop, nearest_the_middle
from evaluation.provenance import pipeline_digest
from evaluation.verification.measures import FoldAccuracy, fold_accuracy, pair_cosines
from faces.align import CROP, align
from faces.analyzer import Analyzer, EmbedWhat
from faces.face import Crop, Face, Image
from faces.image import decode_image
from faces.pack import load_pack
from faces.pack_source import cache_folder, write_whole
from training.backbones.images import normalised
from training.ranks import Ranks

DETECTED_AT_ONCE = 16
EMBEDDED_AT_ONCE = 128


@dataclass(frozen=True)
class PairSet:
    """This rank's part of the photos of a pair set, and all pairs.

    crops: (n, 112, 112, 3) uint8 BGR of the photos at rank, rank + R, ... of the sorted names. photos: N, of all ranks.
    left, right: (P,) photo numbers. same: (P,) bool. folds: (P,) int64.
    """

    crops: Tensor
    photos: int
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    same: NDArray[np.bool_]
    folds: NDArray[np.int64]

    def accuracy(
        self, network: nn.Module, ranks: Ranks, device: torch.device, amp: torch.dtype
    ) -> FoldAccuracy:
        """Accuracy over the folds, without mirroring. Collective; the network keeps its mode."""
        embeddings = _together(self._embedded(network, device, amp), self.photos, ranks)
        return fold_accuracy(pair_cosines(embeddings, self.left, self.right), self.same, self.folds)

    @torch.inference_mode()
    def _embedded(self, network: nn.Module, device: torch.device, amp: torch.dtype) -> Tensor:
        was_training = network.training
        network.eval()
        rows = []
        for crops in torch.split(self.crops, EMBEDDED_AT_ONCE):
            with torch.autocast(device.type, amp, enabled=amp != torch.float32):
                rows.append(functional.normalize(network(normalised(crops.to(device)))).float())
        network.train(was_training)
        return torch.cat(rows)


def open_pair_set(folder: Path, ranks: Ranks) -> PairSet:
    """Read a folder as evaluation.datasets.lfw does and cut this rank's crops. Collective.

    Images of exactly 112 x 112 are taken as crops; in others the face nearest the middle is found by the default
    pack's detector, and where there is none the middle is cut out. DatasetError where something is missing.
    """
    pairs_of = open_lfw(folder)
    names = sorted({name for pair in pairs_of.pairs for name in (pair.left, pair.right)})
    number = {name: at for at, name in enumerate(names)}
    mine = {name: at // ranks.size for name, at in number.items() if at % ranks.size == ranks.rank}
    crops = np.empty((len(mine), CROP, CROP, 3), np.uint8)
    cutter = _Cutter(f"{pairs_of.images.digest} {ranks.rank} of {ranks.size}")
    for name, data in pairs_of.images.read():
        if name in mine:
            cutter.add(name, decode_image(data), crops[mine[name]])
    cutter.finish()
    pairs = pairs_of.pairs
    return PairSet(
        crops=torch.from_numpy(crops),
        photos=len(names),
        left=_numbers(number[pair.left] for pair in pairs),
        right=_numbers(number[pair.right] for pair in pairs),
        same=np.array([pair.same for pair in pairs]),
        folds=_numbers(pair.fold for pair in pairs),
    )


class _Cutter:
    """Photos -> crops, by landmarks that were found before or are found now, several photos at a time."""

    def __init__(self, what: str) -> None:
        pack = load_pack()
        parts = (what, pack.detector.model.sha256, str(pack.detector), pipeline_digest())
        key = combined_digest([part.encode() for part in parts])
        self._path = cache_folder() / "validation" / f"{key[:32]}.landmarks"
        self._pack = pack
        self._known = _load(self._path)
        self._found: dict[str, NDArray[np.float32]] = {}
        self._waiting: list[tuple[str, Image, Crop]] = []
        self._analyzer: Analyzer | None = None

    def add(self, name: str, photo: Image, crop: Crop) -> None:
        """`crop` is filled at once or later."""
        if photo.shape == crop.shape:
            crop[...] = photo
        elif name in self._known:
            crop[...] = _cut(photo, self._known[name])
        else:
            self._waiting.append((name, photo, crop))
            if len(self._waiting) == DETECTED_AT_ONCE:
                self._detect()

    def finish(self) -> None:
        """Fill the last ones; remember what was found. A cache that cannot be written costs the next run time."""
        self._detect()
        if self._found:
            buffer = io.BytesIO()
            every = self._known | self._found
            np.savez(buffer, names=np.array(list(every)), landmarks=np.stack(list(every.values())))
            try:
                write_whole(self._path, buffer.getvalue())
            except OSError:
                return

    def _detect(self) -> None:
        if not self._waiting:
            return
        if self._analyzer is None:
            self._analyzer = Analyzer(self._pack, threads=torch.get_num_threads())
        photos = [photo for _, photo, _ in self._waiting]
        for (name, photo, crop), analysis in zip(
            self._waiting, self._analyzer.analyze(photos, embed=EmbedWhat.NONE), strict=True
        ):
            self._found[name] = _landmarks(analysis.faces, photo)
            crop[...] = _cut(photo, self._found[name])
        self._waiting = []


def _landmarks(faces: tuple[Face, ...], photo: Image) -> NDArray[np.float32]:
    """(5, 2) of the face nearest the middle; NaN where there is none."""
    if not faces:
        return np.full((5, 2), np.nan, np.float32)
    return nearest_the_middle(faces, photo).detection.landmarks


def _cut(photo: Image, landmarks: NDArray[np.float32]) -> Crop:
    return align(photo, landmarks) if np.isfinite(landmarks).all() else central_crop(photo)


def _load(path: Path) -> dict[str, NDArray[np.float32]]:
    try:
        with np.load(path, allow_pickle=False) as stored:
            return dict(zip(stored["names"].tolist(), stored["landmarks"], strict=True))
    except (OSError, ValueError, KeyError, EOFError):
        return {}


def _together(mine: Tensor, photos: int, ranks: Ranks) -> NDArray[np.float32]:
    """The embeddings (N, D) of all ranks in the order of the photos. Ranks may hold one photo more or less."""
    most = -(-photos // ranks.size)
    padded = torch.cat([mine, mine.new_zeros(most - len(mine), mine.shape[1])])
    every = ranks.gather(padded, "embeddings of the validation").cpu()
    rows: NDArray[np.float32] = (
        every.view(ranks.size, most, -1).transpose(0, 1).flatten(0, 1)[:photos].numpy()
    )
    return rows


def _numbers(values: Iterator[int]) -> NDArray[np.int64]:
    return np.fromiter(values, np.int64)
