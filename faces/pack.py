"""Model packs by name or folder: find, load, list, add, verify. What a manifest may say is in manifest.py."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from faces.calibration import Calibration
from faces.manifest import (
    MANIFEST,
    DetectorSpec,
    EmbedderSpec,
    Manifest,
    MissingFileError,
    ModelFile,
    PackError,
    read_manifest,
    write_calibration,
)
from faces.pack_source import digest, published_file, served_file

__all__ = [
    "Calibration",
    "DetectorSpec",
    "EmbedderSpec",
    "MissingFileError",
    "ModelPack",
    "PackError",
    "PackState",
    "add_pack",
    "installed_folder",
    "list_packs",
    "load_pack",
    "verify_pack",
    "waiting_for",
    "write_calibration",
]

DEFAULT = "default"
_BUILT_IN = Path(__file__).parent / "packs"


@dataclass(frozen=True)
class ModelPack:
    """A pack whose files are there and are what the manifest says.

    detector_file, embedder_file: what to give to ONNX Runtime. manifest_path: where the calibration stands.
    """

    manifest: Manifest
    manifest_path: Path
    detector: DetectorSpec
    detector_file: Path
    embedder_file: Path

    @property
    def name(self) -> str:
        return self.manifest.name

    @property
    def embedder(self) -> EmbedderSpec:
        return self.manifest.embedder

    @property
    def dimension(self) -> int:
        """D of the templates."""
        return self.manifest.embedder.dimension

    @property
    def calibration(self) -> Calibration | None:
        """None where the pack was never calibrated; then there are no false match rates."""
        return self.manifest.calibration

    @cached_property
    def contract_id(self) -> str:
        """See Manifest.contract_id."""
        return self.manifest.contract_id


@dataclass(frozen=True)
class PackState:
    """A pack as it stands here. problem: why it cannot be loaded now, or None."""

    manifest: Manifest
    folder: Path
    problem: PackError | None


def installed_folder() -> Path:
    """Where added packs live: $COCIRCLE_HOME/models, else ~/.local/share/cocircle/models (XDG_DATA_HOME)."""
    if home := os.environ.get("COCIRCLE_HOME"):
        return Path(home) / "models"
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "cocircle" / "models"


def load_pack(name_or_folder: str | Path = DEFAULT) -> ModelPack:
    """Load a pack by its name (added packs first, then built-in ones) or from a folder with a model.toml.

    Checks both files' SHA-256. Raises PackError naming what is wrong and what to do.
    """
    path = _manifest_path(name_or_folder)
    manifest = read_manifest(path)
    detector, detector_folder = _detector_of(manifest, path.parent)
    return ModelPack(
        manifest=manifest,
        manifest_path=path,
        detector=detector,
        detector_file=served_file(detector.model, detector_folder, free_sides=True),
        embedder_file=served_file(manifest.embedder.model, path.parent, free_sides=False),
    )


def verify_pack(name_or_folder: str | Path) -> Manifest:
    """Read the manifest and check the SHA-256 of every file it names. Raises PackError on the first fault."""
    path = _manifest_path(name_or_folder)
    manifest = read_manifest(path)
    detector, detector_folder = _detector_of(manifest, path.parent)
    published_file(detector.model, detector_folder)
    published_file(manifest.embedder.model, path.parent)
    return manifest


def list_packs() -> list[PackState]:
    """Every pack that a name can load, by name, each with what stands in its way."""
    folders: dict[str, Path] = {}
    for path in (*sorted(_BUILT_IN.glob(f"*/{MANIFEST}")), *_added()):
        folders[path.parent.name] = path.parent
    states = []
    for _, folder in sorted(folders.items()):
        problem: PackError | None = None
        try:
            verify_pack(folder)
        except PackError as error:
            problem = error
        try:
            states.append(PackState(read_manifest(folder / MANIFEST), folder, problem))
        except PackError:
            continue
    return states


def add_pack(folder: Path) -> ModelPack:
    """Copy a pack into the installed ones, under its manifest's name, replacing an older one of that name.

    A folder without a model.toml is taken too, where it holds the files of a built-in pack that ships without
    them. Everything is checked before anything is copied. Raises PackError.
    """
    folder = folder.resolve()
    path = folder / MANIFEST
    if not path.is_file():
        path = _built_in_for(folder)
    manifest = read_manifest(path)
    if manifest.name == DEFAULT:
        raise PackError(f"{path}: the name {DEFAULT!r} belongs to the built-in pack; choose another")
    models = [manifest.embedder.model]
    if isinstance(manifest.detector, DetectorSpec):
        models.append(manifest.detector.model)
    else:
        _detector_of(manifest, folder)
    for model in models:
        published_file(model, folder)
    target = installed_folder() / manifest.name
    try:
        _install(path, folder, models, target)
    except OSError as error:
        raise PackError(
            f"{target} cannot be written ({error.strerror}); set COCIRCLE_HOME to a folder that can"
        ) from error
    return load_pack(target)


def waiting_for(sha256: str) -> str | None:
    """The name of the one file of that SHA-256 which a built-in pack ships without, or None."""
    for path in sorted(_BUILT_IN.glob(f"*/{MANIFEST}")):
        model = read_manifest(path).embedder.model
        if model.distribution is None and model.sha256 == sha256:
            return model.file
    return None


def _install(manifest_path: Path, folder: Path, models: list[ModelFile], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".adding-") as temporary:
        fresh = Path(temporary) / "fresh"
        fresh.mkdir()
        shutil.copyfile(manifest_path, fresh / MANIFEST)
        for model in models:
            if model.distribution is None:
                (fresh / model.file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(folder / model.file, fresh / model.file)
        if target.exists():
            target.rename(Path(temporary) / "former")
        fresh.rename(target)


def _built_in_for(folder: Path) -> Path:
    if not folder.is_dir():
        raise PackError(f"{folder} is no folder")
    for path in sorted(_BUILT_IN.glob(f"*/{MANIFEST}")):
        model = read_manifest(path).embedder.model
        file = folder / model.file
        if model.distribution is None and file.is_file() and digest(file) == model.sha256:
            return path
    raise PackError(f"{folder} has no {MANIFEST}, and no file that a built-in pack waits for")


def _manifest_path(name_or_folder: str | Path) -> Path:
    text = str(name_or_folder)
    if isinstance(name_or_folder, Path) or "/" in text or text in (".", ".."):
        path = Path(name_or_folder) / MANIFEST
        if not path.is_file():
            raise PackError(f"{path} is missing: {text} is no model pack")
        return path
    for base in (installed_folder(), _BUILT_IN):
        path = base / text / MANIFEST
        if path.is_file():
            return path
    known = {path.parent.name for path in (*_BUILT_IN.glob(f"*/{MANIFEST}"), *_added())}
    raise PackError(f"no model pack is called {text!r}; there are: {', '.join(sorted(known))}")


def _added() -> list[Path]:
    return sorted(installed_folder().glob(f"[!.]*/{MANIFEST}"))


def _detector_of(manifest: Manifest, folder: Path) -> tuple[DetectorSpec, Path]:
    if isinstance(manifest.detector, DetectorSpec):
        return manifest.detector, folder
    path = _manifest_path(manifest.detector)
    detector = read_manifest(path).detector
    if not isinstance(detector, DetectorSpec):
        raise PackError(
            f"{folder / MANIFEST}: [detector] pack = {manifest.detector!r} has no detector of its own either"
        )
    return detector, path.parent
