"""Types of values: guessed, proven, converted; knows no format of files."""
