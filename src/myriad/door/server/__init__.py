"""Connections to PostgreSQL, and what the door itself asks on them. No pool, no client."""
