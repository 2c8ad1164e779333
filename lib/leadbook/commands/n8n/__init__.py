"""What `leadbook n8n` does."""
