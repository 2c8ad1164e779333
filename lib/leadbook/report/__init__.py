"""Reports: figures, tables, pages, the index, machine-readable results. Reads records only, never a database."""
