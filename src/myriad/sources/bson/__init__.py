"""MongoDB's own files: documents as BSON, and the archives that `mongodump` makes."""
