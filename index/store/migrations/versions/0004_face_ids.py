"""A face is found by its id alone, without the person it belongs to."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Adds the index."""
    op.create_index(op.f("ix_faces_id"), "faces", ["id"])


def downgrade() -> None:
    """Removes the index."""
    op.drop_index(op.f("ix_faces_id"), "faces")
