"""What `leadbook doctor` looks at: what is set, who answers, and the sprint in the database as it is."""
