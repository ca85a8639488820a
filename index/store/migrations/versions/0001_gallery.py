"""The first schema: collections, persons, faces, crops, the change log, receipts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
ID = sa.String(255).with_variant(sa.String(255, collation="C"), "postgresql")


def upgrade() -> None:
    """Makes every table."""
    op.create_table(
        "collections",
        sa.Column("key", KEY, primary_key=True),
        sa.Column("id", ID, nullable=False, unique=True),
        sa.Column("contract_id", sa.String(255), nullable=False),
        sa.Column("dimension", sa.Integer, nullable=False),
        sa.Column("fusion", sa.String(16), nullable=False),
        sa.Column("search", sa.String(16), nullable=False),
        sa.Column("precision", sa.String(16), nullable=False),
        sa.Column("keep_crops", sa.Boolean, nullable=False),
        sa.Column("metadata", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.Column("persons", sa.Integer, nullable=False),
        sa.Column("faces", sa.Integer, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "persons",
        sa.Column("key", KEY, primary_key=True),
        sa.Column("collection_key", KEY, sa.ForeignKey("collections.key"), nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("metadata", sa.Text, nullable=False),
        sa.Column("faces", sa.Integer, nullable=False),
        sa.Column("template", sa.LargeBinary),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("updated_at", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("collection_key", "id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "faces",
        sa.Column("key", KEY, primary_key=True),
        sa.Column("person_key", KEY, sa.ForeignKey("persons.key"), nullable=False),
        sa.Column("id", sa.String(32), nullable=False, unique=True),
        sa.Column("quality", sa.Float, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("vector", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_faces_person_key"), "faces", ["person_key"])
    op.create_table(
        "crops",
        sa.Column("face_key", KEY, sa.ForeignKey("faces.key"), primary_key=True, autoincrement=False),
        sa.Column("image", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "revisions",
        sa.Column("revision", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("collection_key", KEY, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("token", sa.String(16), nullable=False),
        sa.Column("persons", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )
    op.create_index(op.f("ix_revisions_collection_key_revision"), "revisions", ["collection_key", "revision"])
    op.create_table(
        "receipts",
        sa.Column("scope", sa.String(255), primary_key=True),
        sa.Column("key", sa.String(255), primary_key=True),
        sa.Column("digest", sa.String(128), nullable=False),
        sa.Column("answer", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Removes every table."""
    for table in ("receipts", "revisions", "crops", "faces", "persons", "collections"):
        op.drop_table(table)
