"""Many rows at once: encoded, sent to the nodes that hold them, counted; no files, no publish."""
