"""How a request is signed. File name = YAML ``type``."""
