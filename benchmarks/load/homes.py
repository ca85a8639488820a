"""The data folder of a measured service: made persons and people of AT&T in one collection. Starts no service."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmarks.facelike import FaceLike
from benchmarks.load.probes import COLLECTION, enrolled, person_id
from evaluation.datasets.att import AttPhoto
from faces.analyzer import Analyzer
from faces.image import decode_image
from faces.pack import load_pack
from index.gallery import Gallery, GallerySettings
from index.records import NewCollection, NewFace


def fill(home: Path, made: int, people: int) -> None:
    """Makes the folder, with `made` persons of one template each and so many of AT&T, for the default pack."""
    pack = load_pack()
    with Gallery.open(GallerySettings(home / "gallery")) as gallery:
        gallery.create_collection(NewCollection(COLLECTION, pack.contract_id, pack.dimension))
        for items in (_made(made, pack.dimension), _people(Analyzer(pack), enrolled(people))):
            for _ in gallery.enroll_templates(COLLECTION, items, contract_id=pack.contract_id):
                pass


def _made(count: int, dimension: int) -> Iterator[tuple[str, NewFace]]:
    rows = (row for block in FaceLike(dimension).blocks(count) for row in block)
    return ((f"made-{number}", NewFace(row)) for number, row in enumerate(rows))


def _people(analyzer: Analyzer, photos: Iterable[AttPhoto]) -> Iterator[tuple[str, NewFace]]:
    for photo in photos:
        (analysis,) = analyzer.analyze([decode_image(photo.path.read_bytes())])
        embedding = analysis.faces[0].embedding
        assert embedding is not None
        yield person_id(photo.person), NewFace(embedding)
