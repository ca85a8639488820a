"""Names of images that a list gives: paths below the folder of the images, anything else refused; opens no file."""

from __future__ import annotations

from evaluation.datasets.images import SUFFIXES, DatasetError


def listed_name(text: str, where: str) -> str:
    """The name of an image below its folder, with `/` between its parts, `./` and `//` resolved.

    DatasetError, beginning with `where`, where it is empty, absolute (also with a drive's letter), leads through `..`,
    or holds a backslash or a NUL.
    """
    parts = [part for part in text.split("/") if part not in ("", ".")]
    absolute = text.startswith("/") or (bool(parts) and parts[0][1:2] == ":")
    if not parts or absolute or ".." in parts or "\\" in text or "\0" in text:
        raise DatasetError(
            f"{where}: {text!r} is no path below the folder of the images; expected one like people/ada_1.jpg, "
            "with / between its parts"
        )
    return "/".join(parts)


def exact_image_name(text: str, where: str) -> str:
    """The same in lists whose names other lists repeat to the letter: nothing is resolved.

    DatasetError, beginning with `where`, also for a name that could be written shorter or has no image's ending.
    """
    if listed_name(text, where) != text or not text.lower().endswith(SUFFIXES):
        raise DatasetError(
            f"{where}: {text!r} is no plain path of an image; expected one like people/ada_1.jpg, "
            f"of {', '.join(SUFFIXES)}"
        )
    return text
