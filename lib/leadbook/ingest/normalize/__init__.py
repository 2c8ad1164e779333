"""Records become leads, each field in its one form."""
