"""Row numbers that SQLite must not give again when a migration rebuilds a table."""

from __future__ import annotations

from sqlalchemy import Connection, text


def highest_number(connection: Connection, table: str) -> int | None:
    """The highest row number SQLite ever gave in a table; None where it gave none, and on other databases."""
    if connection.dialect.name != "sqlite":
        return None
    query = text("SELECT seq FROM sqlite_sequence WHERE name = :table")
    found: int | None = connection.execute(query, {"table": table}).scalar()
    return found


def number_beyond(connection: Connection, table: str, number: int | None) -> None:
    """Rows to come get numbers above `number`: to alter a table SQLite makes a new one, which would begin anew."""
    if number is None:
        return
    given = {"table": table, "number": number}
    connection.execute(text("DELETE FROM sqlite_sequence WHERE name = :table"), given)
    connection.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:table, :number)"), given)
