"""Phase 09: what its notebook judges and shows."""
