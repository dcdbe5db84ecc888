"""How a body is opened. File name = YAML ``type``."""
