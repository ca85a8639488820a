"""Where Alembic starts: runs the steps on the connection it was handed; never from a configuration file."""

from __future__ import annotations

from alembic import context

from index.store.schema import metadata

connection = context.config.attributes["connection"]
# render_as_batch: SQLite cannot alter most of a table in place, later steps rebuild it.
context.configure(
    connection=connection, target_metadata=metadata, render_as_batch=True, transaction_per_migration=True
)
with context.begin_transaction():
    context.run_migrations()
