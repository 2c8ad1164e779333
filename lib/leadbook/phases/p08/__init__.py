"""Phase 08: what its notebook judges and shows."""
