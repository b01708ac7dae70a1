"""Nodes of our own: their programs, configuration, files and processes; not when to start them."""
