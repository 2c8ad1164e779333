"""Phase 01: what its notebook judges and shows."""
