"""The live sprint for people and machines outside: one page that redraws itself, a server on loopback, metrics."""
