"""From the first byte of a client to a proven name. No session, no statement."""
