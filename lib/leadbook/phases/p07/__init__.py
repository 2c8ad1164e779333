"""Phase 07: what its notebook judges and shows."""
