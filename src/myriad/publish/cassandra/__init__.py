"""Tables in Cassandra: made, filled, switched, kept as versions; not PostgreSQL's."""
