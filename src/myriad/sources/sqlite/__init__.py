"""SQLite: each table of a database file becomes a table."""
