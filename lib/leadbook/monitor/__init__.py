"""The monitoring snapshot: sources, the loop that reads them, a workload beside it, and what is looked at once."""
