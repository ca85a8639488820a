"""A whole store into one file and back, on SQLite and PostgreSQL alike; single collections are exported by jobs."""
