"""What a DBA asks of running followers, and how they hear of it."""
