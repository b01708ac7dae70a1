"""From what a person names to plain files: globs, standard input, compression, encodings."""
