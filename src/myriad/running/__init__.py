"""What `up` keeps: PostgreSQL, the door, Cassandra: started, watched, looked at; holds no data."""
