"""What the command line calls: plain arguments in, plain records out, one clear error for what a user got wrong."""
