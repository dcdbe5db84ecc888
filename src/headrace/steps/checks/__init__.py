"""One file per kind of quality check. File name = YAML ``type`` in ``checks``."""
