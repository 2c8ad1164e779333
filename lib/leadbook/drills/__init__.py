"""06 and 07: backup and restore proven, and the readiness gate."""
