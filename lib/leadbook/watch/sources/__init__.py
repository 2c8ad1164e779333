"""What a snapshot is made of: one module a source, each read by itself, so that one that fails takes no other along."""
