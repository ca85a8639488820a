"""Alembic scripts of the gallery's schema, one file a step."""
