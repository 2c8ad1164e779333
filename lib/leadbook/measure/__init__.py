"""03 and 05: the method and the measurements."""
