"""The pipeline: vendor records become acknowledged leads."""
