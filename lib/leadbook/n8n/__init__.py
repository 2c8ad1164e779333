"""The ten collectors in n8n: their workflows, what a running n8n says of them, what the servers see of it."""
