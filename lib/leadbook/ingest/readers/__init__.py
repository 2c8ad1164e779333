"""Vendor files become records."""
