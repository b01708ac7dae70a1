"""What is read, opened as tables of Arrow batches: a room for each format; no engine."""
