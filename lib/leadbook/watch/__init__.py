"""The live sprint, watched: one snapshot of servers and sprint, the series of them on disk, and the loop that reads."""
