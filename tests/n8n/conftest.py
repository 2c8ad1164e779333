"""What n8n stages is taken on by the pipeline: its own fixtures."""

from ingest.conftest import leads, site  # noqa: F401
