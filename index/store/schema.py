"""The tables of the gallery, for SQLite and PostgreSQL alike; no statement, no data."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = MetaData(naming_convention=NAMES)

# SQLite gives a row number away again unless the column is INTEGER with AUTOINCREMENT; a vector engine that
# still holds a deleted person's number would then answer with somebody else.
Key = BigInteger().with_variant(Integer, "sqlite")

collections = Table(
    "collections",
    metadata,
    Column("key", Key, primary_key=True),
    Column("id", String(255), nullable=False, unique=True),
    Column("contract_id", String(255), nullable=False),
    Column("dimension", Integer, nullable=False),
    Column("fusion", String(16), nullable=False),
    Column("search", String(16), nullable=False),
    Column("precision", String(16), nullable=False),
    Column("keep_crops", Boolean, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),  # microseconds since 1970, UTC; so are all times below
    Column("revision", BigInteger, nullable=False),
    Column("persons", Integer, nullable=False),
    Column("faces", Integer, nullable=False),
    sqlite_autoincrement=True,
)

persons = Table(
    "persons",
    metadata,
    Column("key", Key, primary_key=True),
    Column("collection_key", Key, ForeignKey("collections.key"), nullable=False),
    Column("id", String(255), nullable=False),
    Column("name", Text, nullable=False),
    Column("metadata", Text, nullable=False),
    Column("faces", Integer, nullable=False),
    Column(
        "template", LargeBinary
    ),  # the mean of the samples at the collection's precision; null without samples
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    UniqueConstraint("collection_key", "id"),
    sqlite_autoincrement=True,
)

faces = Table(
    "faces",
    metadata,
    Column("key", Key, primary_key=True),
    Column("person_key", Key, ForeignKey("persons.key"), nullable=False),
    Column("id", String(32), nullable=False, unique=True),
    Column("quality", Float, nullable=False),
    Column("detail", Text, nullable=False),
    Column("vector", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index(None, "person_key"),
    sqlite_autoincrement=True,
)

crops = Table(
    "crops",
    metadata,
    Column("face_key", Key, ForeignKey("faces.key"), primary_key=True, autoincrement=False),
    Column("image", LargeBinary, nullable=False),
)

# The change log. A revision names the persons whose searched rows may differ; whoever follows it reads their
# rows as they are now, so replaying a part twice changes nothing.
revisions = Table(
    "revisions",
    metadata,
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    Column("collection_key", Key, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("token", String(16), nullable=False),  # random; tells two histories with equal numbers apart
    Column(
        "persons", LargeBinary, nullable=False
    ),  # keys of the changed persons, 8 bytes each, little-endian
    Column("created_at", BigInteger, nullable=False),
    Index(None, "collection_key", "revision"),
)

receipts = Table(
    "receipts",
    metadata,
    Column("scope", String(255), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("digest", String(128), nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
)
