"""Benchmarks: inserts, look-ups, finds, pools, indexes."""
