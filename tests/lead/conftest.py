"""What a lead is, also as the server judges it: the leads' collection with its schema."""

from ingest.conftest import leads

__all__ = ["leads"]
