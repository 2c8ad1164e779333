"""Load: closed and open loop, trials of settings, advice."""
