"""Phase 08, monitoring snapshot: what was read is judged, shown, and written down."""
