"""What a text does, and what it leaves behind: found out before it runs. It knows no session."""
