"""What every retrieval data set is: images with an identity, a camera and a role; opens a file only to embed it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from evaluation.datasets.images import SUFFIXES, DatasetError, combined_digest
from evaluation.datasets.listed_images import ListedImages


class Role(StrEnum):
    """What an image does: it asks, it is searched among, or both, then never against itself."""

    QUERY = "query"
    GALLERY = "gallery"
    BOTH = "both"


@dataclass(frozen=True)
class RetrievalImage:
    """name: its path below the set's root. camera: None where the set knows no cameras."""

    name: str
    identity: str
    camera: str | None = None
    role: Role = Role.BOTH


@dataclass(frozen=True)
class RetrievalSet:
    """One task. key: as the command is called. images: sorted by name. ranks: those that are reported.

    A gallery image of the probe's identity does not count where both are of one camera, or are one image. junk: images
    that the set declares to be neither right nor wrong; they are not among `images`. published: queries and gallery
    images of the set as its authors count them, None where there is no such count.
    """

    key: str
    title: str
    root: Path
    images: tuple[RetrievalImage, ...]
    ranks: tuple[int, ...]
    junk: int = 0
    published: tuple[int, int] | None = None

    @property
    def listed(self) -> ListedImages:
        return ListedImages(self.root, tuple(image.name for image in self.images))

    @property
    def has_cameras(self) -> bool:
        return self.images[0].camera is not None

    @property
    def queries(self) -> list[int]:
        """Positions in `images` of what asks."""
        return [at for at, image in enumerate(self.images) if image.role is not Role.GALLERY]

    @property
    def gallery(self) -> list[int]:
        """Positions in `images` of what is searched among."""
        return [at for at, image in enumerate(self.images) if image.role is not Role.QUERY]

    @property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) over names, identities, cameras and roles; not over the images' content."""
        return combined_digest(
            [
                part.encode()
                for image in self.images
                for part in (image.name, image.identity, image.camera or "", image.role.value)
            ]
        )


def retrieval_set(
    key: str,
    title: str,
    root: Path,
    images: Sequence[RetrievalImage],
    ranks: tuple[int, ...],
    *,
    junk: int = 0,
    published: tuple[int, int] | None = None,
) -> RetrievalSet:
    """The set, its images sorted. DatasetError where a name is twice, only some have a camera, nothing asks, or there
    is nothing to search among.
    """
    ordered = tuple(sorted(images, key=lambda image: image.name))
    twice = next(
        (name for name, count in Counter(image.name for image in ordered).items() if count > 1), None
    )
    if twice is not None:
        raise DatasetError(
            f"{root}: {twice} is listed twice; an image that asks and is searched has the role both"
        )
    if len({image.camera is None for image in ordered}) > 1:
        bare = next(image.name for image in ordered if image.camera is None)
        raise DatasetError(f"{root}: {bare} has no camera, others have; give all of them one, or none")
    made = RetrievalSet(key, title, root, ordered, ranks, junk, published)
    if not made.queries:
        raise DatasetError(f"{root}: none of {len(ordered)} images is a query")
    if not made.gallery:
        raise DatasetError(f"{root}: none of {len(ordered)} images is in the gallery")
    return made


def list_lines(path: Path, purpose: str) -> Iterator[tuple[str, list[str]]]:
    """The words of each line of a text file, with the place for messages; empty lines at the end do not count.

    purpose: what the file is, for the message where it is missing.
    """
    lines = read_text(path, purpose).splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    if not lines:
        raise DatasetError(f"{path} is empty; expected {purpose}")
    for number, line in enumerate(lines, 1):
        yield f"{path}, line {number}", line.split()


def read_text(path: Path, purpose: str) -> str:
    """A UTF-8 file, with or without a byte order mark. DatasetError where it is missing or no such text."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is no UTF-8 text: {error}") from error
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror}; it is {purpose}") from error


def image_files(folder: Path, pattern: str = "*") -> list[str]:
    """Names below `folder`, sorted, of the files that a pattern finds and whose ending is an image's."""
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.glob(pattern)
        if path.name.lower().endswith(SUFFIXES) and path.is_file()
    )
