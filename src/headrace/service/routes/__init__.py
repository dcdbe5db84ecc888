"""The REST API, a file for each group of addresses; each has a ``router``."""
