"""Cassandra's protocol: frames, values, a client, CQL as text; knows no file and no publish."""
