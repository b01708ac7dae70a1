"""Which server connection is whose: pools, and who waits for them. No statement is read here."""
