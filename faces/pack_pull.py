"""Fetch a model pack over HTTPS: nothing is unpacked before its SHA-256 is that of the command line."""

from __future__ import annotations

import hashlib
import re
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO

import httpx

from faces.manifest import MANIFEST, PackError
from faces.pack import ModelPack, add_pack, installed_folder, waiting_for

MAX_BYTES = 2 * 1024**3
"""Of a download, and of all its unpacked files: twice the largest pack in use."""
MAX_FILES = 100
_CHUNK = 1 << 20


def pull_pack(
    url: str,
    sha256: str,
    *,
    allow_http: bool = False,
    max_bytes: int = MAX_BYTES,
    progress: Callable[[int, int | None], None] = lambda done, total: None,
) -> ModelPack:
    """Download, check and add a pack.

    url: of a .tar (also compressed) or .zip with a model.toml at its top or in its one folder, or of the one
    ONNX file that a built-in pack waits for. sha256: hex, of the download. progress: called with bytes done
    and their total, where the server says it. Raises PackError; then nothing is added.
    """
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise PackError(f"--sha256 should be 64 hexadecimal digits in lower case, got {sha256!r}")
    base = installed_folder()
    try:
        base.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=base, prefix=".pulling-") as temporary:
            file = Path(temporary) / "download"
            found = _download(url, file, allow_http, max_bytes, progress)
            if found != sha256:
                raise PackError(f"{url}: SHA-256 is {found}, not {sha256}; nothing was unpacked")
            folder = Path(temporary) / "unpacked"
            folder.mkdir()
            return add_pack(_unpack(file, folder, sha256, max_bytes))
    except OSError as error:
        raise PackError(f"{base} cannot be written ({error.strerror}); set COCIRCLE_HOME") from error


def _download(
    url: str, file: Path, allow_http: bool, max_bytes: int, progress: Callable[[int, int | None], None]
) -> str:
    """Stream to `file`; its SHA-256."""

    def only_secure(request: httpx.Request) -> None:
        # Called for each redirect too.
        if request.url.scheme != "https" and not (allow_http and request.url.scheme == "http"):
            raise PackError(f"{request.url}: packs are fetched over https only")

    hashed, done = hashlib.sha256(), 0
    try:
        with (
            httpx.Client(follow_redirects=True, timeout=30, event_hooks={"request": [only_secure]}) as client,
            client.stream("GET", url) as answer,
            file.open("wb") as out,
        ):
            answer.raise_for_status()
            length = answer.headers.get("content-length", "")
            total = int(length) if length.isdigit() else None
            for chunk in answer.iter_bytes(_CHUNK):
                done += len(chunk)
                if done > max_bytes:
                    raise PackError(f"{url}: more than {max_bytes:,} bytes; no pack is that large")
                hashed.update(chunk)
                out.write(chunk)
                progress(done, total)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise PackError(f"{url}: {error or type(error).__name__}") from error
    return hashed.hexdigest()


def _unpack(file: Path, folder: Path, sha256: str, max_bytes: int) -> Path:
    """The folder of the pack in an archive, or one around a single awaited ONNX file."""
    if name := waiting_for(sha256):
        file.rename(folder / name)
        return folder
    try:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                _write(folder, _zip_members(archive), max_bytes)
        elif tarfile.is_tarfile(file):
            with tarfile.open(file) as archive_tar:
                _write(folder, _tar_members(archive_tar), max_bytes)
        else:
            raise PackError(
                "the download is neither .tar nor .zip, nor a file that a built-in pack waits for"
            )
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, RuntimeError, NotImplementedError) as error:
        raise PackError(f"the archive is damaged: {error}") from error
    found = sorted((*folder.glob(MANIFEST), *folder.glob(f"*/{MANIFEST}")))
    if len(found) != 1:
        raise PackError(f"the archive should hold one {MANIFEST}, at its top or in its one folder")
    return found[0].parent


def _zip_members(archive: zipfile.ZipFile) -> Iterator[tuple[str, IO[bytes]]]:
    for info in archive.infolist():
        if info.is_dir():
            continue
        with archive.open(info) as source:
            yield info.filename, source


def _tar_members(archive: tarfile.TarFile) -> Iterator[tuple[str, IO[bytes]]]:
    for member in archive:
        if member.isdir():
            continue
        source = archive.extractfile(member) if member.isfile() else None
        if source is None:
            raise PackError(
                f"the archive holds {member.name!r}, which is a link or a device; packs are plain files"
            )
        with source:
            yield member.name, source


def _write(folder: Path, members: Iterator[tuple[str, IO[bytes]]], max_bytes: int) -> None:
    """Write plain files below `folder` and nowhere else, counting what really comes out."""
    written = 0
    for count, (name, source) in enumerate(members, 1):
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in name or not path.parts:
            raise PackError(f"the archive holds {name!r}, which would be written outside the pack")
        if count > MAX_FILES:
            raise PackError(f"the archive holds more than {MAX_FILES} files; no pack does")
        target = folder.joinpath(*path.parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as out:
            while chunk := source.read(_CHUNK):
                written += len(chunk)
                if written > max_bytes:
                    raise PackError(
                        f"the archive unpacks to more than {max_bytes:,} bytes; no pack is that large"
                    )
                out.write(chunk)
