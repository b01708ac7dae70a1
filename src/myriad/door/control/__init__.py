"""What the catalog says of people and databases, asked as administrator. Nothing of a person's."""
