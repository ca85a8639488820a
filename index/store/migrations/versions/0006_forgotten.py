"""Who is gone and may still be named in records: noted by the database itself, whatever removes a person."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

KEY = sa.BigInteger().with_variant(sa.Integer, "sqlite")
ID = sa.String(255).with_variant(sa.String(255, collation="C"), "postgresql")

NOTED = "INSERT INTO forgotten (collection, person) SELECT id, OLD.id FROM collections WHERE key = OLD.collection_key"
SQLITE = (f"CREATE TRIGGER persons_forgotten AFTER DELETE ON persons BEGIN {NOTED}; END",)
POSTGRES = (
    "CREATE FUNCTION person_forgotten() RETURNS trigger LANGUAGE plpgsql AS "
    f"$$ BEGIN {NOTED}; RETURN NULL; END $$",
    "CREATE TRIGGER persons_forgotten AFTER DELETE ON persons FOR EACH ROW EXECUTE FUNCTION person_forgotten()",
)


def upgrade() -> None:
    """Makes the table and what writes it."""
    op.create_table(
        "forgotten",
        sa.Column("key", KEY, primary_key=True),
        sa.Column("collection", ID, nullable=False),
        sa.Column("person", ID, nullable=False),
        sqlite_autoincrement=True,
    )
    for statement in SQLITE if op.get_bind().dialect.name == "sqlite" else POSTGRES:
        op.execute(statement)


def downgrade() -> None:
    """Removes them."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER persons_forgotten")
    else:
        op.execute("DROP TRIGGER persons_forgotten ON persons")
        op.execute("DROP FUNCTION person_forgotten()")
    op.drop_table("forgotten")
