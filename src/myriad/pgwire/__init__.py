"""The PostgreSQL protocol as bytes: messages made and read. It knows no door and no session."""
