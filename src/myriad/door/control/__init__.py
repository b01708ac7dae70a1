"""What the catalog says of people and databases, asked, and changed, as administrator."""
