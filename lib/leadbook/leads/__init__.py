"""04: the lead pipeline, from vendor records to acknowledged inserts."""
