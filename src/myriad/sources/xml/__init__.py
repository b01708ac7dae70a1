"""XML: the element that repeats becomes the rows."""
