"""The papermill chain: runs the notebooks in order, recomputes the truth after each, and writes the report."""
