"""Backups: made, verified, damaged on purpose, restored beside the original."""
