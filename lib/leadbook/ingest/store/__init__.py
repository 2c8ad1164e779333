"""Leads are stored once: cache, inserts, merges, rejects."""
