"""Is what was ordered really there? MongoDB and Redis asked and probed; probes are removed. Plain records come back."""
