"""CSV: one file of text becomes a table; other formats of text have their own rooms."""
