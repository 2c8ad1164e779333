"""Phase 06: what its notebook judges and shows."""
