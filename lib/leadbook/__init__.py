"""leadbook: a runbook you can run. See docs/architecture.md for the rooms and which way imports point."""

import sys

__version__ = "0.1.0"

# jsonschema (behind nbformat, papermill and scrapbook) imports this if it can, to check a format that no notebook uses;
# the import builds a grammar for more than a second, in each of nine kernels. jsonschema does without it.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
