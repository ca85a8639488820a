"""A collection may have a next and a previous form beside the live one, of another contract."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from index.store.migrations.numbers import highest_number, number_beyond

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Every collection there is, is live."""
    numbered = highest_number(op.get_bind(), "collections")
    with op.batch_alter_table("collections", table_kwargs={"sqlite_autoincrement": True}) as collections:
        collections.add_column(sa.Column("role", sa.String(16), nullable=False, server_default="live"))
        collections.add_column(sa.Column("synced", sa.BigInteger, nullable=False, server_default="0"))
        collections.add_column(sa.Column("whole", sa.Boolean, nullable=False, server_default=sa.true()))
        collections.drop_constraint("uq_collections_id", type_="unique")
        collections.create_unique_constraint("uq_collections_id_role", ["id", "role"])
    number_beyond(op.get_bind(), "collections", numbered)


def downgrade() -> None:
    """Fails where a collection has a next or previous form; discard those first."""
    with op.batch_alter_table("collections", table_kwargs={"sqlite_autoincrement": True}) as collections:
        collections.drop_constraint("uq_collections_id_role", type_="unique")
        collections.create_unique_constraint("uq_collections_id", ["id"])
        collections.drop_column("whole")
        collections.drop_column("synced")
        collections.drop_column("role")
