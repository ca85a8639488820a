"""Vector engines: rows in, nearest persons out. Derived from the store and never asked for the truth."""
