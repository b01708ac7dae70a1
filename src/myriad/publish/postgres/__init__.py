"""Tables in PostgreSQL: made, filled, swapped in, changed, kept as versions; not Cassandra's."""
