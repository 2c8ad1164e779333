"""Faults of a rehearsal sprint: each is put in, and undone whatever happens.

What a fault changes ends with its process, or it is written down first and put back by whoever comes next (`undo`).
"""
