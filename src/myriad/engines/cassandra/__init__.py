"""Cassandra: nodes of our own or attached, kept up, their files; nothing of who uses it."""
