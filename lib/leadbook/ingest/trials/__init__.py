"""What is only tried: scratch sites beside the leads, and rehearsals that begin from nothing."""
