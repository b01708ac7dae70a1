"""What the catalog says of people, databases and roles, asked as administrator."""
