"""Phase 03: what its notebook judges and shows."""
