"""The rehearsal sprint: hours at a fast clock, with faults, watched as the real one is, and how soon each was told."""
