"""How a crawl goes from one page to the next. File name = YAML ``type``."""
