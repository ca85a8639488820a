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
    true,
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

# Listed in order and paged through: by code point everywhere, not by the language of a PostgreSQL database.
Id = String(255).with_variant(String(255, collation="C"), "postgresql")

collections = Table(
    "collections",
    metadata,
    Column("key", Key, primary_key=True),
    Column("id", Id, nullable=False),
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
    Column(
        "role", String(16), nullable=False, server_default="live"
    ),  # of several with one id: live is the one seen
    Column(
        "synced", BigInteger, nullable=False, server_default="0"
    ),  # revision up to which it equals the live one
    Column("whole", Boolean, nullable=False, server_default=true()),  # it was in step with the live one once
    UniqueConstraint("id", "role"),
    sqlite_autoincrement=True,
)

persons = Table(
    "persons",
    metadata,
    Column("key", Key, primary_key=True),
    Column("collection_key", Key, ForeignKey("collections.key"), nullable=False),
    Column("id", Id, nullable=False),
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
    Column("id", String(32), nullable=False),
    Column("quality", Float, nullable=False),
    Column("detail", Text, nullable=False),
    Column("vector", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("source", String(64)),  # digest of the photo it came from, where a job enrolled it
    Index(None, "person_key"),
    Index(None, "id"),
    UniqueConstraint("person_key", "id"),
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

# Who is gone and may still be named in receipts and records of jobs. A trigger of the migration writes it, whatever
# removes a person; whoever has taken the names out of all records removes it.
forgotten = Table(
    "forgotten",
    metadata,
    Column("key", Key, primary_key=True),
    Column("collection", Id, nullable=False),
    Column("person", Id, nullable=False),
    sqlite_autoincrement=True,
)

jobs = Table(
    "jobs",
    metadata,
    Column("key", Key, primary_key=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("kind", String(32), nullable=False),
    Column("collection", String(255)),
    Column("owner", String(255), nullable=False),  # id of the key that made it
    Column("options", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("sealed", Boolean, nullable=False),  # no item is to come
    Column("total", Integer, nullable=False),
    Column("done", Integer, nullable=False),
    Column("rejected", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("pending_bytes", BigInteger, nullable=False),  # of uploads that are not settled
    Column("result", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("lease", String(32)),  # of whoever plans or finishes it
    Column("lease_until", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("claimed_at", BigInteger, nullable=False),  # jobs take turns: the one that waited longest is next
    Column("created_at", BigInteger, nullable=False),
    Column("started_at", BigInteger),
    Column("ended_at", BigInteger),
    sqlite_autoincrement=True,
)

job_items = Table(
    "job_items",
    metadata,
    Column("key", Key, primary_key=True),
    Column("job_key", Key, ForeignKey("jobs.key"), nullable=False),
    Column("item", String(1024), nullable=False),  # the caller's own key
    Column("payload", Text, nullable=False),
    Column("upload", LargeBinary),  # removed when the item is settled
    Column("state", String(16), nullable=False),
    Column("lease", String(32)),
    Column("lease_until", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("reasons", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("result", Text, nullable=False),
    Column("settled_at", BigInteger),
    UniqueConstraint("job_key", "item"),
    Index(None, "job_key", "state", "key"),
    Index(None, "lease"),
    sqlite_autoincrement=True,
)

job_findings = Table(
    "job_findings",
    metadata,
    Column("key", Key, primary_key=True),
    Column("job_key", Key, ForeignKey("jobs.key"), nullable=False),
    Column("body", Text, nullable=False),
    Index(None, "job_key", "key"),
    sqlite_autoincrement=True,
)

# Who may ask a service for what. A revoked key stays, so that lines of the audit can be told whose they are, and so
# that no older list of keys brings it back.
keys = Table(
    "keys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", Text, nullable=False),
    Column("scope", String(16), nullable=False),
    Column("hash", String(64), nullable=False),  # SHA-256 of the whole key, hex
    Column("collections", Text),  # JSON list of names and prefixes; null is all
    Column("rate", Float),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("used_at", BigInteger),
    Column("revoked_at", BigInteger),
)

# Triggers of the migration refuse every UPDATE and DELETE.
audit = Table(
    "audit",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("actor", String(255), nullable=False),
    Column("action", String(32), nullable=False),
    Column("collection", Id),
    Column("subject", String(64)),  # keyed digest of a person, hex
    Column("about", String(255)),
    Column("outcome", String(32), nullable=False),
    Column("faces", Integer, nullable=False),
    Column("request", String(64)),
    Column("job", String(32)),
    Column("hash", String(64), nullable=False),  # SHA-256 over the hash before and this row, hex
    Index(None, "at"),
    Index(None, "subject"),
)

# One row. Whoever appends takes it first, so that lines have one order; without it, cutting off the last lines
# would not show.
audit_head = Table(
    "audit_head",
    metadata,
    Column("key", Integer, primary_key=True, autoincrement=False),
    Column("number", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
)
