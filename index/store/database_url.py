"""The address of a PostgreSQL database as an operator writes it; checked here, never shown with its password."""

from __future__ import annotations

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")
FORM = "postgresql://user:password@host:5432/database"


def database_url(text: str) -> URL:
    """The address for SQLAlchemy's psycopg dialect. Raises ValueError, which never repeats what was given."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ValueError(
            f"the database must be given as {FORM}; in a password @ is written %40 and % is written %25"
        ) from None
    if url.drivername not in SCHEMES:
        raise ValueError(f"the database must be given as {FORM}; no other kind of database is supported")
    if not url.database:
        raise ValueError(f"the address of the database lacks the database's name; it is given as {FORM}")
    if "password" in url.query:
        raise ValueError(f"the password must stand between user and host, as in {FORM}")
    return url.set(drivername="postgresql+psycopg")


def with_password(text: str, password: str) -> str:
    """The address with the password of its user. Raises ValueError as database_url, and where it has one or no user."""
    url = database_url(text)
    if url.password is not None:
        raise ValueError("the address of the database has a password already")
    if not url.username:
        raise ValueError(f"the address of the database names no user whose password it could be: {FORM}")
    return url.set(password=password).render_as_string(hide_password=False)
