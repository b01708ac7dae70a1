"""Counting records beside the reader, at the speed of the disk; knows no format."""
