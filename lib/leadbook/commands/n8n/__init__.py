"""Commands on n8n: what it says and what the servers see of it; what it imports."""
