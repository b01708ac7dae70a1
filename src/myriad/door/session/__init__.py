"""One client that is logged in: its statements, settings and answers. No other client's."""
