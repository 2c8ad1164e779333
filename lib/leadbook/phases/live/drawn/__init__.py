"""A live sprint for the eye: on a terminal, in JupyterLab, and the words that all of them share."""
