"""Jobs with their items and findings; the photo a face came from; face ids unique within their person."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from index.store.migrations.numbers import highest_number, number_beyond

revision = "0002"
down_revision = "0001"

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Makes the tables of jobs, and lets a copy of a collection keep its face ids."""
    op.create_table(
        "jobs",
        sa.Column("key", KEY, primary_key=True),
        sa.Column("id", sa.String(32), nullable=False, unique=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("collection", sa.String(255)),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("options", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("sealed", sa.Boolean, nullable=False),
        sa.Column("total", sa.Integer, nullable=False),
        sa.Column("done", sa.Integer, nullable=False),
        sa.Column("rejected", sa.Integer, nullable=False),
        sa.Column("failed", sa.Integer, nullable=False),
        sa.Column("pending_bytes", sa.BigInteger, nullable=False),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("lease", sa.String(32)),
        sa.Column("lease_until", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("claimed_at", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("started_at", sa.BigInteger),
        sa.Column("ended_at", sa.BigInteger),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "job_items",
        sa.Column("key", KEY, primary_key=True),
        sa.Column("job_key", KEY, sa.ForeignKey("jobs.key"), nullable=False),
        sa.Column("item", sa.String(1024), nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("upload", sa.LargeBinary),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("lease", sa.String(32)),
        sa.Column("lease_until", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("reasons", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("result", sa.Text, nullable=False),
        sa.Column("settled_at", sa.BigInteger),
        sa.UniqueConstraint("job_key", "item"),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_job_items_job_key_state_key"), "job_items", ["job_key", "state", "key"])
    op.create_index(op.f("ix_job_items_lease"), "job_items", ["lease"])
    op.create_table(
        "job_findings",
        sa.Column("key", KEY, primary_key=True),
        sa.Column("job_key", KEY, sa.ForeignKey("jobs.key"), nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_job_findings_job_key_key"), "job_findings", ["job_key", "key"])
    numbered = highest_number(op.get_bind(), "faces")
    with op.batch_alter_table("faces", table_kwargs={"sqlite_autoincrement": True}) as faces:
        faces.add_column(sa.Column("source", sa.String(64)))
        faces.drop_constraint("uq_faces_id", type_="unique")
        faces.create_unique_constraint("uq_faces_person_key_id", ["person_key", "id"])
    number_beyond(op.get_bind(), "faces", numbered)


def downgrade() -> None:
    """Removes the tables of jobs. Fails where two collections hold faces of one id."""
    with op.batch_alter_table("faces", table_kwargs={"sqlite_autoincrement": True}) as faces:
        faces.drop_constraint("uq_faces_person_key_id", type_="unique")
        faces.create_unique_constraint("uq_faces_id", ["id"])
        faces.drop_column("source")
    for table in ("job_findings", "job_items", "jobs"):
        op.drop_table(table)
