"""Arrow's own files, ORC and Avro: their types are declared."""
