"""Anybody's own photos, a folder a person, as one embedding for each photo with a face; compares nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.datasets.images import DatasetError
from evaluation.datasets.lfw import person_of
from evaluation.datasets.people_folder import PeopleFolder
from evaluation.embedding.sources import EmbeddingSource


@dataclass(frozen=True)
class PeopleEmbeddings:
    """One row for each image in which a face was found.

    names: (N,) of the images, sorted. people: (N,) whom they show. rows: (N, D) float32 unit rows, of the largest face,
    which is the one that a service takes. without_face: images left out because no face was found in them.
    several_faces: images with more than one.
    """

    names: tuple[str, ...]
    people: tuple[str, ...]
    rows: NDArray[np.float32]
    without_face: tuple[str, ...]
    several_faces: int

    def only(self, names: frozenset[str]) -> PeopleEmbeddings:
        """The same without images that are not among `names`."""
        keep = [at for at, name in enumerate(self.names) if name in names]
        return PeopleEmbeddings(
            tuple(self.names[at] for at in keep),
            tuple(self.people[at] for at in keep),
            self.rows[keep],
            self.without_face,
            self.several_faces,
        )


def embed_people(source: EmbeddingSource, folder: PeopleFolder) -> PeopleEmbeddings:
    """The embeddings of a folder's images. DatasetError where no two people with a face are left."""
    embedded = source.aligned(folder.images) if folder.aligned else source.photos(folder.images)
    found = embedded.faces > 0
    names = tuple(name for name, face in zip(embedded.names, found, strict=True) if face)
    people = tuple(person_of(name) for name in names)
    if len(set(people)) < 2:
        raise DatasetError(
            f"{folder.images.source}: faces of {len(set(people))} people were found in {len(found)} images; at least "
            "two are needed"
        )
    return PeopleEmbeddings(
        names=names,
        people=people,
        rows=embedded.largest[found],
        without_face=tuple(name for name, face in zip(embedded.names, found, strict=True) if not face),
        several_faces=int((embedded.faces > 1).sum()),
    )
