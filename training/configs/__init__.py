"""Ready configurations, one a file, each with a line on what it is for."""

from __future__ import annotations

from pathlib import Path

from training.config import ConfigError

FOLDER = Path(__file__).parent


def ready(config: Path) -> Path:
    """The file itself where there is one, else the ready configuration of that name; ConfigError without either."""
    if config.is_file():
        return config
    if (named := FOLDER / f"{config}.toml").is_file():
        return named
    raise ConfigError(
        f"there is no file {config}, and no ready configuration of that name: {', '.join(names())}"
    )


def names() -> list[str]:
    """Of all ready configurations."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))
