"""PostgreSQL: run or attached, its programs, settings and databases; nothing of who uses it."""
