"""What people, groups and grants become in PostgreSQL: roles and rights."""
