"""A tour of Myriad with made-up data: does what a person would, by the Python API alone."""
