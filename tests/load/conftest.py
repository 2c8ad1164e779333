"""The benchmark session that this room measures in."""

from benchmark_session import place, scratches

__all__ = ["place", "scratches"]
