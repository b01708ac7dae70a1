"""What Myriad keeps in databases, made and changed by numbered files; not what people publish."""
