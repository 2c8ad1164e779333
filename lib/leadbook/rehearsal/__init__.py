"""Stand-ins for a rehearsal: servers of our own, a sandbox of vendors, made leads."""
