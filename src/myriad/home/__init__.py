"""One installation's folder: its paths, lock, notes and private files; starts nothing."""
