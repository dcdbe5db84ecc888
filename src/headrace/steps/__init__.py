"""One file per step kind. Folder and file name = YAML ``processor``."""
