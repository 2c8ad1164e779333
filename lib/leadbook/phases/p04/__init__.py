"""Phase 04: what its notebook judges and shows."""
