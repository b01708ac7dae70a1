"""What people, groups and grants become in Cassandra, derived from the control database."""
