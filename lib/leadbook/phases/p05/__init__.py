"""Phase 05: what its notebook judges and shows."""
