"""What an operator can set, read once from COCIRCLE_* variables (or given by the command line) and then frozen."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from index.engine.milvus_address import milvus_address
from serving.database_password import with_password_of

MIB = 1024 * 1024


class SettingsError(ValueError):
    """The settings do not make a service that should start; the message names each wrong value."""


class Settings(BaseSettings):
    """All settings of the service. Every field is an environment variable with the prefix COCIRCLE_."""

    model_config = SettingsConfigDict(env_prefix="COCIRCLE_", frozen=True, extra="ignore")

    home: Path = Field(
        default=Path("~/.local/share/cocircle"),
        description="Folder of everything that must survive: gallery, snapshots, keys, added model packs.",
    )
    database: SecretStr = Field(
        default=SecretStr("sqlite"),
        description="The gallery's database: sqlite, a file in `home`, or postgresql://user:password@host/name.",
    )
    database_password_file: Path | None = Field(
        default=None,
        description="File with the password of the database's user, for an address without one.",
    )
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    allowed_hosts: tuple[str, ...] = Field(
        default=(),
        description="Host names the service answers to besides loopback, as a JSON list; "
        "checked only while keys are off.",
    )

    pack: str = Field(default="default", description="Model pack: a name or a folder with model.toml.")
    packs: tuple[str, ...] = Field(
        default=(),
        description="Packs served beside it, for collections of their contracts, as a JSON list.",
    )
    provider: Literal["cpu", "cuda"] = Field(
        default="cpu", description="Where the models run. Never falls back."
    )
    threads: int = Field(
        default=0,
        ge=0,
        description="ONNX Runtime threads of one run; 0 shares the cores among `concurrency` runs.",
    )
    engine: Literal["faiss-cpu", "faiss-gpu", "milvus"] = Field(
        default="faiss-cpu", description="Vector engine. Never falls back."
    )
    milvus: SecretStr = Field(
        default=SecretStr(""),
        description="Address of the Milvus that the engine of that name searches: http://host:19530, or "
        "https://user:password@host:19530/database.",
    )

    auth: Literal["auto", "on", "off"] = Field(
        default="auto",
        description="API keys: auto asks for them unless the service listens on loopback only.",
    )
    rate: float = Field(
        default=0.0,
        ge=0,
        le=1e6,
        allow_inf_nan=False,
        description="Requests a second of a key without a rate of its own, counted in each process; 0 is no limit.",
    )
    audit: Literal["all", "writes", "off"] = Field(
        default="all",
        description="What leaves a line in the audit: writes and searches, writes alone, nothing.",
    )
    verify_max_fmr: float = Field(
        default=1e-4,
        gt=0,
        lt=1,
        description="False match rate of verify where the caller names no threshold.",
    )
    identify_max_fmr: float = Field(
        default=1e-3,
        gt=0,
        lt=1,
        description="Rate of searches by strangers that find anybody, where the caller names no threshold.",
    )

    max_body_bytes: int = Field(default=64 * MIB, ge=1024, description="Largest request body.")
    max_image_bytes: int = Field(default=20 * MIB, ge=1024, description="Largest encoded image.")
    max_pixels: int = Field(
        default=50_000_000, ge=1, description="Most pixels of one image, read from its header."
    )
    max_images: int = Field(default=32, ge=1, description="Most images in one enrolment request.")
    queue: int = Field(
        default=64, ge=1, description="Photos admitted and not yet answered; a request beyond is a 429."
    )
    batch: int = Field(
        default=0,
        ge=0,
        le=256,
        description="Most faces or images of different requests in one run of a model; 1 shares no runs; "
        "0 takes 4 on a CPU, whose caches hold no more, and 32 on a GPU.",
    )
    concurrency: int = Field(
        default=2,
        ge=1,
        le=64,
        description="Batches that each stage (decode, detect, embed …) works on at once.",
    )
    deadline: float = Field(
        default=10.0,
        gt=0,
        le=3600,
        description="Seconds that a photo may wait for its analysis; beyond, its request is a 429.",
    )
    decoded_pixels: int = Field(
        default=100_000_000, ge=1, description="Most pixels of decoded photos held at once, 3 bytes each."
    )
    workers: int = Field(
        default=2,
        ge=0,
        le=64,
        description="Threads of the service that work on jobs; 0 leaves them to `cocircle worker`.",
    )
    job_days: float = Field(
        default=30.0, gt=0, description="Days after its end when a job's record and files are removed."
    )
    job_upload_bytes: int = Field(
        default=1024 * MIB,
        ge=1024,
        description="Most bytes of uploads that wait in jobs; an upload beyond is a 429.",
    )
    traces: str = Field(
        default="off",
        description="Where spans of requests and jobs go: off, or the address of an OpenTelemetry collector that "
        "takes OTLP over HTTP.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severe log line."
    )

    @field_validator("database")
    @classmethod
    def _is_a_database(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value() != "sqlite":
            from index.store.database_url import database_url  # SQLAlchemy, which most commands never need

            database_url(value.get_secret_value())
        return value

    @field_validator("milvus")
    @classmethod
    def _is_a_milvus(cls, value: SecretStr) -> SecretStr:
        if value.get_secret_value():
            milvus_address(value.get_secret_value())
        return value

    @field_validator("traces")
    @classmethod
    def _is_a_collector(cls, value: str) -> str:
        address = urlsplit(value)
        plain = address.scheme in ("http", "https") and address.hostname and not address.username
        if value != "off" and not plain:
            raise ValueError("must be off or an address such as http://collector:4318, without a user")
        return value

    @field_validator("database_password_file", mode="before")
    @classmethod
    def _nothing_is_no_file(cls, value: object) -> object:
        return None if value == "" else value

    @model_validator(mode="after")
    def _the_database_has_its_password(self) -> Settings:
        if self.database_password_file is not None:
            with_password_of(self.database.get_secret_value(), self.database_password_file)
        return self

    @model_validator(mode="after")
    def _the_engine_has_its_address(self) -> Settings:
        if self.engine == "milvus" and not self.milvus.get_secret_value():
            raise ValueError("engine=milvus needs an address: set COCIRCLE_MILVUS=http://host:19530")
        return self

    @model_validator(mode="after")
    def _keys_guard_what_strangers_can_reach(self) -> Settings:
        if self.auth == "off" and not self.on_loopback:
            raise ValueError(
                f"auth=off with host={self.host}: without keys the service listens on loopback only; "
                "set COCIRCLE_AUTH=on (or auto), or COCIRCLE_HOST=127.0.0.1"
            )
        return self

    @property
    def on_loopback(self) -> bool:
        """True when only this machine can reach the service."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def keys_required(self) -> bool:
        """True when every request must carry an API key."""
        return self.auth == "on" or (self.auth == "auto" and not self.on_loopback)

    @property
    def largest_batch(self) -> int:
        """`batch`, or where that is 0 what suits the provider."""
        return self.batch or (4 if self.provider == "cpu" else 32)

    @property
    def run_threads(self) -> int:
        """`threads`, or where that is 0 each run's part of the cores: with more, runs take turns on them."""
        return self.threads or max(1, (os.cpu_count() or 1) // self.concurrency)

    @property
    def folder(self) -> Path:
        """`home` with ~ expanded."""
        return self.home.expanduser()

    @property
    def database_address(self) -> str | None:
        """Address of the PostgreSQL database, None for SQLite. Not to be shown: it may hold a password."""
        address = self.database.get_secret_value()
        if self.database_password_file is not None:
            return with_password_of(address, self.database_password_file)
        return None if address == "sqlite" else address


def read_settings(**given: object) -> Settings:
    """Settings from the environment; `given` values that are not None come first.

    Raises SettingsError with one line for each wrong value.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        lines = [_explain(item["loc"], item["msg"], item["input"]) for item in error.errors()]
        raise SettingsError("\n".join(lines)) from None


def _explain(location: tuple[int | str, ...], message: str, value: object) -> str:
    if not location:
        return message.removeprefix("Value error, ")
    field = str(location[0])
    secret = Settings.model_fields[field].annotation is SecretStr
    shown = "(not shown)" if secret else repr(value)
    return f"COCIRCLE_{field.upper()}={shown}: {message}"
