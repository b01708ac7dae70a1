"""Sources become tables: what both engines share; each one's own is in its folder."""
