"""Everything that only looks at rows: their types, their keys, what they can be asked; no table."""
