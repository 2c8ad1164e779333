"""08: snapshots of servers, cache, pool and host, judged against thresholds that are data."""
