"""Formats that a hostile file could hurt are read in a process of its own, with limits."""
