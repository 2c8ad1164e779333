"""Enrichment of new leads: an e-mail from Hunter, company data from Clearbit. A failure means "not enriched"."""

from __future__ import annotations

__all__: list[str] = []
