"""A loopback server that speaks the shapes and faults of Hunter, Clearbit and HubSpot, for rehearsals and tests."""

from __future__ import annotations

__all__: list[str] = []
