"""leadbook: a runbook you can run. See docs/architecture.md for the rooms and which way imports point."""

__version__ = "0.1.0"
