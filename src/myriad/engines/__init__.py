"""The database programs, a folder each; who keeps them up is elsewhere."""
