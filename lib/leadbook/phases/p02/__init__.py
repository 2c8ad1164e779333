"""Phase 02: what its notebook judges and shows."""
