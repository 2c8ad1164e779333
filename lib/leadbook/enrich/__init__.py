"""Vendors of enrichment and CRM: calls, budgets, answers."""
