"""`leadbook watch`: the watch put together, what it hands its readers, and the report of each hour."""
