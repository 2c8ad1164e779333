"""What a DBA may change in a running sprint: planned, approved, done, and measured before against after."""
