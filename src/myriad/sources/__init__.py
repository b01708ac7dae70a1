"""Open a source as tables of Arrow batches: one file per format."""
