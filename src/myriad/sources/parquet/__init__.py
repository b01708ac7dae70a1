"""Parquet: what its own structure says becomes a table."""
